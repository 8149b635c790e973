// Whom a server trusts: its authorities of devices, and what these have revoked. Read from files,
// then constant; the shards share it. The TLS handshake verifies chains of certificates; this says
// whether what was verified once still holds: for resumed sessions, for connections that outlast a
// change of the files, and for certificates that end while their device is connected.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "server/net/peer.hpp"

namespace kscpush::server {

class TlsTrust {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // CLIENT_CA: PEM file of the authorities. CRL: PEM file of revocation lists, empty for none; each
  // list must be signed by one of the authorities, complete (no delta, no list of a part) and of
  // now. An authority that no list is of has revoked nothing. kInvalidConfig with the file and what
  // to do.
  [[nodiscard]] static Result<std::shared_ptr<const TlsTrust>> load(const std::string& client_ca,
                                                                    const std::string& crl,
                                                                    std::int64_t now);

  // What speaks against the peer at NOW, seconds since 1970; empty: nothing.
  [[nodiscard]] std::string_view objection(const PeerProof& proof, std::int64_t now) const;
  [[nodiscard]] bool revoked(std::uint64_t certificate) const;
  // When the first of the revocation lists is out of date, seconds since 1970. They go on to apply:
  // what was revoked stays so, and to refuse everybody would cut off a fleet for a missed errand.
  [[nodiscard]] std::int64_t crl_expires() const { return expires_; }

 private:
  std::vector<std::uint64_t> authorities_;  // hashes, sorted
  std::vector<std::uint64_t> revoked_;
  std::int64_t expires_ = kNever;
};

}  // namespace kscpush::server

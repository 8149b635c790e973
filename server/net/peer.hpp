// Who is at the other end of a TLS connection, and what its certificate proved: all that is kept of
// the certificate.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <openssl/x509.h>

#include "core/result.hpp"

namespace kscpush::server {

// What has to hold for as long as the connection lasts; TlsTrust judges it. Hashes are the first 64
// bits of SHA-256.
struct PeerProof {
  std::int64_t not_after = 0;     // the certificate's end, seconds since 1970
  std::uint64_t certificate = 0;  // of the issuer's public key and the serial number
  std::uint64_t anchor = 0;       // of the public key of the authority at the end of the chain
  // Of each intermediate authority's certificate, as above; null: there is none, as mostly.
  std::unique_ptr<const std::vector<std::uint64_t>> intermediates{};
};

struct Peer {
  std::string device_id;    // empty: the certificate is of no device
  std::string refusal;      // then: why not
  std::int64_t proved = 0;  // when it last showed that it has the certificate's key
  PeerProof proof;

  // CHAIN: verified, the peer's certificate first, the trusted authority last; not empty.
  [[nodiscard]] static Peer of(const STACK_OF(X509) * chain, std::int64_t now);

  // For the session ticket, which must bring back the identity, as no certificate comes with it.
  // Whoever is no device gets no ticket that is of use: an empty text, which nothing is read from.
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static std::optional<Peer> decode(std::string_view text);
};

[[nodiscard]] std::uint64_t authority_hash(const X509* authority);
[[nodiscard]] std::uint64_t certificate_hash(std::uint64_t issuer, const ASN1_INTEGER* serial);

}  // namespace kscpush::server

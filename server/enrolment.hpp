// Gives devices their certificates, and tokens for them: used by the admin API and the devices'
// port, and by the command line when no server runs on the state directory.
#pragma once

#include "core/clock.hpp"
#include "core/enrolment.hpp"
#include "core/ids.hpp"
#include "core/pki.hpp"
#include "core/site/paths.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

struct Enrolment {
  pki::KeyPair device;
  std::string authority;  // the certificate by which the device knows the server, PEM
  std::string fingerprint;
  WallTime not_after{};

  // What the registry notes of it.
  [[nodiscard]] DeviceChange change() const {
    return {.fingerprint = fingerprint, .certificate_ends = not_after};
  }
};

// Issues a certificate for a registered device, which the caller notes in the registry
// (Enrolment::change). kNotFound: not registered. kDenied: revoked. kInvalidConfig: no usable
// certificate authority.
[[nodiscard]] Result<Enrolment> enroll(const Store& store, const site::ServerPaths& paths,
                                       const DeviceId& id, const Clock& clock);
// The same for a key that the device has made itself, as certify_device() takes it; device.key is
// empty.
[[nodiscard]] Result<Enrolment> certify(const site::ServerPaths& paths, const DeviceId& id,
                                        std::string_view csr, const Clock& clock);

inline constexpr std::chrono::seconds kShortestToken{60};
inline constexpr std::chrono::seconds kUsualToken{24 * 3600};
inline constexpr std::chrono::seconds kLongestToken{30 * 24 * 3600};

// A token, which the store does not know yet, and what it shall know of it. kInvalidConfig: the
// server's certificate is not the devices' authority's, so that by its hash nobody could know the
// server. kUsage: TTL.
struct IssuedToken {
  EnrolmentToken token;
  NewToken noted;
};
[[nodiscard]] Result<IssuedToken> issue_token(const site::ServerPaths& paths, const DeviceId& id,
                                              std::chrono::seconds ttl, const Clock& clock);
[[nodiscard]] std::string hash_of(const Secret& secret);

// The site's authority with its key. kInvalidConfig: its key is not here.
[[nodiscard]] Result<pki::KeyPair> read_authority(const site::ServerPaths& paths);

// What devices shall know the server by: of the authorities the one that has issued its
// certificate, PEM.
[[nodiscard]] Result<std::string> authority_of_server(const site::ServerPaths& paths);

}  // namespace kscpush::server

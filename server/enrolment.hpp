// Gives a device its certificate: used by the admin API, and by the command line when no server
// runs on the state directory.
#pragma once

#include "core/clock.hpp"
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
};

// Issues a certificate for a registered device, which the caller notes in the registry
// (DeviceChange::fingerprint). kNotFound: not registered. kDenied: revoked. kInvalidConfig: no
// usable certificate authority.
[[nodiscard]] Result<Enrolment> enroll(const Store& store, const site::ServerPaths& paths,
                                       const DeviceId& id, const Clock& clock);

}  // namespace kscpush::server

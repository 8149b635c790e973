// Enrolment tokens: each lets one device have one certificate, once, until it expires. Kept is a
// hash only.
#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/ids.hpp"

namespace kscpush::server {

struct NewToken {
  std::string hash;  // SHA-256 of the secret, hex
  DeviceId device;
  WallTime expires{};
};

// Somebody shows a token, with a key to be certified.
struct TokenShown {
  std::string hash;
  std::optional<DeviceId> device{};  // that it must be of
  std::string key;                   // SHA-256 of the public key, hex
};

}  // namespace kscpush::server

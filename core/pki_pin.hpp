// Certificates that are known by their hash.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kscpush::pki {

// The first certificate of the PEM text, written anew, if it has this fingerprint (SHA-256, hex):
// whatever else came with it is left out.
[[nodiscard]] std::optional<std::string> certificate_with(std::string_view fingerprint,
                                                          std::string_view pem);

}  // namespace kscpush::pki

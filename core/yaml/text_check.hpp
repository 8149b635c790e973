// The bytes of a YAML file before anything parses them.
#pragma once

#include <string_view>

#include "core/result.hpp"

namespace kscpush::yaml {

// Fails (kInvalidConfig, "NAME:LINE:COLUMN: what") on what is not UTF-8 and on control characters:
// YAML forbids them, and yaml-cpp takes a byte 0x04 for the end of the file.
[[nodiscard]] Status check_text(std::string_view text, std::string_view name);

}  // namespace kscpush::yaml

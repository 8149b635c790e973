// Times as the admin API gives them.
#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"

namespace kscpush::cli {

// What to_rfc3339() writes: "2026-03-01T12:00:00.123Z"; nothing for what is none.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(const std::string& text);

}  // namespace kscpush::cli

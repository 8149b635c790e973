// Times as the admin API gives them, and as people do.
#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/result.hpp"

namespace kscpush::cli {

// What to_rfc3339() writes: "2026-03-01T12:00:00.123Z"; nothing for what is none.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(const std::string& text);

// "90", "90s", "15m", "24h", "7d"; whole and above 0. kUsage.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(const std::string& text);

}  // namespace kscpush::cli

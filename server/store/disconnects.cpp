#include "server/store/disconnects.hpp"

#include <algorithm>
#include <optional>

#include <fmt/compile.h>

#include "core/numbers.hpp"

namespace kscpush::server {
namespace {

// Milliseconds since 1970 have 13 digits until the year 2286.
constexpr std::size_t kTimeDigits = 13;
constexpr std::int64_t kLatest = 9'999'999'999'999;

std::optional<std::int64_t> number(std::string_view digits) {
  const auto value = to_number<std::int64_t>(digits);
  if (!value || *value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::string encode(const Disconnect& end) {
  const auto ms = std::clamp<std::int64_t>(end.at.time_since_epoch().count(), 0, kLatest);
  return fmt::format(FMT_COMPILE("{:013}{:02}"), ms, static_cast<unsigned>(end.reason));
}

std::vector<Disconnect> decode_disconnects(std::string_view text) {
  std::vector<Disconnect> ends;
  for (; text.size() >= kDisconnectBytes; text.remove_prefix(kDisconnectBytes)) {
    const auto at = number(text.substr(0, kTimeDigits));
    const auto reason = number(text.substr(kTimeDigits, kDisconnectBytes - kTimeDigits));
    if (!at || !reason || *reason > static_cast<std::int64_t>(mqtt::EndReason::kOverloaded)) {
      continue;
    }
    ends.push_back({WallTime(std::chrono::milliseconds(*at)), mqtt::EndReason(*reason)});
  }
  return ends;
}

}  // namespace kscpush::server

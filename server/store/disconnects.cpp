#include "server/store/disconnects.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace kscpush::server {
namespace {

// Milliseconds since 1970 have 13 digits until the year 2286.
constexpr std::size_t kTimeDigits = 13;
constexpr std::int64_t kLatest = 9'999'999'999'999;

std::optional<std::int64_t> number(std::string_view digits) {
  std::int64_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, code] = std::from_chars(digits.data(), last, value);
  if (code != std::errc() || end != last || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::string encode(const Disconnect& end) {
  const auto ms = std::clamp<std::int64_t>(end.at.time_since_epoch().count(), 0, kLatest);
  return fmt::format("{:013}{:02}", ms, static_cast<unsigned>(end.reason));
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

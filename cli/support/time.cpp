#include "cli/support/time.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace kscpush::cli {

std::optional<WallTime> parse_rfc3339(const std::string& text) {
  using namespace std::chrono;
  int y = 0;
  unsigned mon = 0;
  unsigned d = 0;
  unsigned h = 0;
  unsigned min = 0;
  unsigned s = 0;
  unsigned ms = 0;
  int length = 0;
  // The widths keep every number in range.
  const int read = std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3uZ%n", &y, &mon, &d, &h,
                               &min, &s, &ms, &length);  // NOLINT: widths are given
  constexpr int kFields = 7;
  const year_month_day date{year(y), month(mon), day(d)};
  const bool good = read == kFields && static_cast<std::size_t>(length) == text.size() &&
                    date.ok() && h < 24 && min < 60 && s < 60;
  if (!good) return std::nullopt;
  return WallTime{sys_days(date)} + hours(h) + minutes(min) + seconds(s) + milliseconds(ms);
}

Result<std::chrono::seconds> parse_duration(const std::string& text) {
  std::int64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, number);
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
      {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}}};
  constexpr std::int64_t kMost = 1'000'000'000;
  for (const auto& [name, seconds] : kUnits) {
    if (unit != name || code != std::errc() || number <= 0 || number > kMost) continue;
    return std::chrono::seconds(number * seconds);
  }
  return fail({ErrorCode::kUsage, fmt::format("'{}' is no length of time", text),
               "a whole number with s, m, h or d: 90s, 15m, 24h, 7d"});
}

}  // namespace kscpush::cli

#include "cli/support/time.hpp"

#include <cstdio>

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

}  // namespace kscpush::cli

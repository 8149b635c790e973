#include "core/clock.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

namespace kscpush {

std::string to_rfc3339(WallTime time) {
  // Several times in every answer: the C library's way takes a lock and looks at the time zone.
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z"),
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace kscpush

#include "core/clock.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("time: as RFC 3339, to the millisecond, in UTC") {
  using std::chrono::milliseconds;
  const auto at = [](std::int64_t ms) { return to_rfc3339(WallTime(milliseconds(ms))); };
  CHECK(at(0) == "1970-01-01T00:00:00.000Z");
  CHECK(at(1'772'366'400'123) == "2026-03-01T12:00:00.123Z");
  CHECK(at(1'709'251'199'999) == "2024-02-29T23:59:59.999Z");
  CHECK(at(-1) == "1969-12-31T23:59:59.999Z");
  CHECK(at(253'402'300'799'999) == "9999-12-31T23:59:59.999Z");
}

}  // namespace kscpush

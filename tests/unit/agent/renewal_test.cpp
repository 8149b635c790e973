// When a certificate is renewed; that and how it happens is acceptance/test_enrolment.py's.
#include "agent/renewal.hpp"

#include <doctest/doctest.h>

namespace kscpush::agent {

TEST_CASE("a certificate is renewed after two thirds of its life and up to a twentieth of it") {
  using std::chrono::hours;
  constexpr WallTime kBegin{hours(1000)};
  constexpr WallTime kEnd = kBegin + hours(60);
  CHECK(renewal_time(kBegin, kEnd, 0) == kBegin + hours(40));
  CHECK(renewal_time(kBegin, kEnd, 1) == kBegin + hours(43));
  CHECK(renewal_time(kBegin, kEnd, 0.5) == kBegin + std::chrono::minutes(41 * 60 + 30));
}

}  // namespace kscpush::agent

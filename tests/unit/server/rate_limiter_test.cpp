#include "server/admin/rate_limiter.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_clock.hpp"

namespace kscpush::server {

TEST_CASE("rate: so many at once, then as many a second, and how long to wait") {
  const test::FakeClock clock;
  RateLimiter limiter;
  MonoTime now = clock.now();
  for (int i = 0; i < 10; ++i) CHECK_FALSE(limiter.take("a", 10, now));
  const auto wait = limiter.take("a", 10, now);
  REQUIRE(wait.has_value());
  CHECK(*wait <= std::chrono::milliseconds(100));
  CHECK(*wait > std::chrono::milliseconds(99));
  CHECK_FALSE(limiter.take("b", 10, now));
  now += *wait;
  CHECK(limiter.take("a", 10, now - std::chrono::milliseconds(1)));
  now += std::chrono::milliseconds(2);
  CHECK_FALSE(limiter.take("a", 10, now));
  now += std::chrono::hours(1);  // saves up no more than a second's worth
  for (int i = 0; i < 10; ++i) CHECK_FALSE(limiter.take("a", 10, now));
  CHECK(limiter.take("a", 10, now));
  CHECK(limiter.refused() == 3);
}

TEST_CASE("rate: clients beyond those that are told apart share one bucket, until one has rested") {
  const test::FakeClock clock;
  RateLimiter limiter(2);
  MonoTime now = clock.now();
  CHECK_FALSE(limiter.take("a", 1, now));
  CHECK_FALSE(limiter.take("b", 1, now));
  CHECK_FALSE(limiter.take("c", 1, now));
  CHECK(limiter.take("d", 1, now));
  now += std::chrono::seconds(1);
  CHECK_FALSE(limiter.take("d", 1, now));
  CHECK_FALSE(limiter.take("c", 1, now));
}

}  // namespace kscpush::server

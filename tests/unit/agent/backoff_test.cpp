#include "agent/backoff.hpp"

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

namespace kscpush::agent {
namespace {

using std::chrono::milliseconds;

constexpr BackoffLimits kLimits{milliseconds(1000), milliseconds(60'000)};

// The ceiling of the n-th wait in a row, from 0.
milliseconds ceiling(int n) {
  return std::min(kLimits.most, kLimits.first * (std::int64_t{1} << std::min(n, 20)));
}

}  // namespace

TEST_CASE("backoff: between nothing and a ceiling that doubles up to the most") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(kLimits, seed);
    for (int n = 0; n < 50; ++n) {
      const auto wait = backoff.next();
      CHECK(wait >= milliseconds(0));
      CHECK(wait <= ceiling(n));
    }
  }
}

TEST_CASE("backoff: full jitter, so that devices that lost a server together come back spread") {
  for (const int n : {0, 3, 10}) {
    std::vector<int> tenths(10);
    constexpr int kDevices = 5000;
    for (std::uint64_t seed = 0; seed < kDevices; ++seed) {
      Backoff backoff(kLimits, seed);
      for (int i = 0; i < n; ++i) static_cast<void>(backoff.next());
      const auto wait = backoff.next();
      ++tenths[static_cast<std::size_t>(std::min<long>(9, wait.count() * 10 / ceiling(n).count()))];
    }
    // Uniform: each tenth has 500, give or take 5 standard deviations.
    for (const int devices : tenths) CHECK(std::abs(devices - kDevices / 10) < 5 * 22);
  }
}

TEST_CASE("backoff: begins anew after success") {
  Backoff backoff(kLimits, 1);
  for (int n = 0; n < 20; ++n) static_cast<void>(backoff.next());
  backoff.reset();
  for (int n = 0; n < 20; ++n) CHECK(backoff.next() <= ceiling(n));
}

TEST_CASE("backoff: unusual limits do no harm") {
  Backoff none({milliseconds(0), milliseconds(1000)}, 1);
  Backoff tiny({milliseconds(1), milliseconds(1)}, 1);
  Backoff reversed({milliseconds(5000), milliseconds(10)}, 1);
  for (int n = 0; n < 200; ++n) {
    CHECK(none.next() == milliseconds(0));
    CHECK(tiny.next() <= milliseconds(1));
    CHECK(reversed.next() <= milliseconds(10));
  }
}

}  // namespace kscpush::agent

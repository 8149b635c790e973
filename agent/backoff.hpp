// How long to wait before the next attempt to connect: exponential, with full jitter, so that
// devices that lost their server together do not come back together.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace kscpush::agent {

// Of a wait by the wall clock at most so much at a time: a clock that is set, or a machine that
// slept, is noticed within it.
inline constexpr std::chrono::minutes kLookAgain{15};

struct BackoffLimits {
  std::chrono::milliseconds first{1'000};
  std::chrono::milliseconds most{120'000};
};

class Backoff {
 public:
  Backoff(BackoffLimits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

  // Uniform between 0 and first * 2^n, at most MOST, for the n-th failure in a row.
  [[nodiscard]] std::chrono::milliseconds next() {
    const auto ceiling = std::min(limits_.most, limits_.first * (std::int64_t{1} << failures_));
    if (ceiling < limits_.most && failures_ < kMostDoublings) ++failures_;
    return std::chrono::milliseconds(
        std::uniform_int_distribution<std::int64_t>(0, ceiling.count())(random_));
  }
  void reset() { failures_ = 0; }

 private:
  // A first wait of 0 stays 0, however often it is doubled.
  static constexpr unsigned kMostDoublings = 30;

  const BackoffLimits limits_;
  unsigned failures_ = 0;
  std::mt19937_64 random_;
};

}  // namespace kscpush::agent

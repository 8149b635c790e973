// How long what is watched may be out of reach: a push server that restarts, a device that comes
// back. What runs there goes on meanwhile.
#pragma once

#include <chrono>

#include "core/clock.hpp"
#include "core/result.hpp"

namespace kscpush::cli {

class Patience {
 public:
  static constexpr std::chrono::seconds kLongest{120};
  static constexpr std::chrono::seconds kTryEvery{1};

  explicit Patience(const Clock& clock) : clock_(clock) {}

  void heard() { last_ = clock_.now(); }
  [[nodiscard]] bool over() const { return clock_.now() - last_ >= kLongest; }
  // Whether the same may work a little later.
  [[nodiscard]] static bool may_pass(const Error& error) {
    return error.code == ErrorCode::kOffline || error.code == ErrorCode::kNoAnswer ||
           error.code == ErrorCode::kUnreachable || error.code == ErrorCode::kOverloaded;
  }

 private:
  const Clock& clock_;
  MonoTime last_ = clock_.now();
};

}  // namespace kscpush::cli

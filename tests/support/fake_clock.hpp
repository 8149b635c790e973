// A clock that stands still until a test moves its hands.
#pragma once

#include <mutex>

#include "core/clock.hpp"

namespace kscpush::test {

// Thread safe.
class FakeClock final : public Clock {
 public:
  // 2026-03-01T12:00:00Z
  explicit FakeClock(WallTime wall = WallTime{std::chrono::seconds(1'772'366'400)})
      : now_(MonoTime{std::chrono::hours(1)}), wall_(wall) {}

  [[nodiscard]] MonoTime now() const override {
    const std::scoped_lock lock(mutex_);
    return now_;
  }
  [[nodiscard]] WallTime wall() const override {
    const std::scoped_lock lock(mutex_);
    return wall_;
  }
  // Both hands.
  void advance(Duration by) {
    const std::scoped_lock lock(mutex_);
    now_ += by;
    wall_ += std::chrono::floor<std::chrono::milliseconds>(by);
  }
  // An administrator, or NTP, sets the wall clock; the monotonic one does not notice.
  void set_wall(WallTime wall) {
    const std::scoped_lock lock(mutex_);
    wall_ = wall;
  }

 private:
  mutable std::mutex mutex_;
  MonoTime now_;
  WallTime wall_;
};

}  // namespace kscpush::test

// Time as the program sees it. Deadlines use the monotonic time, records the wall time; a wall
// clock that is set back must never make a deadline wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kscpush {

using MonoTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::steady_clock::duration;

// Thread safe. Injected, so that tests and the simulation turn the hands themselves.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

[[nodiscard]] inline std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// RFC 3339 in UTC with milliseconds: "2026-03-01T12:00:00.123Z".
[[nodiscard]] std::string to_rfc3339(WallTime time);

}  // namespace kscpush

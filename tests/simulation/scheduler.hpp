// Time and chance of a simulated run: both come from the seed alone.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "core/clock.hpp"

namespace kscpush::simulation {

// xorshift64*: small enough that every connection has its own, so that the order in which
// connections draw does not matter.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_((seed + 1) * 0x9E3779B97F4A7C15U) {
    for (int i = 0; i < 4; ++i) static_cast<void>(next());
  }
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DU;
  }
  // 0 to COUNT - 1.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>((next() >> 11) % count); }
  // FROM to TO, both included.
  std::int64_t between(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(below(static_cast<std::size_t>(to - from) + 1));
  }
  bool percent(int chance) { return between(0, 99) < chance; }
  std::chrono::microseconds time(std::chrono::microseconds from, std::chrono::microseconds to) {
    return std::chrono::microseconds(between(from.count(), to.count()));
  }

 private:
  std::uint64_t state_;
};

// The clock, and everything that is to happen. What is due at the same time happens in the order of
// its lanes (one a connection), within a lane in the order in which it was asked for.
class Scheduler final : public Clock {
 public:
  using Action = std::function<void()>;

  [[nodiscard]] MonoTime now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override {
    return kWallStart + std::chrono::floor<std::chrono::milliseconds>(now_ - kStart);
  }
  void at(MonoTime time, std::uint64_t lane, Action action) {
    queue_.push({std::max(time, now_), lane, ++last_, std::move(action)});
  }
  void after(Duration time, std::uint64_t lane, Action action) {
    at(now_ + time, lane, std::move(action));
  }
  // Does the next thing that is due until END; false when there is none, and it is END.
  bool run_one(MonoTime end) {
    if (queue_.empty() || queue_.top().time > end) {
      now_ = end;
      return false;
    }
    now_ = queue_.top().time;
    const Action action = std::move(queue_.top().action);
    queue_.pop();
    action();
    return true;
  }

 private:
  static constexpr MonoTime kStart{std::chrono::hours(1)};
  // 2026-03-01T12:00:00Z
  static constexpr WallTime kWallStart{std::chrono::seconds(1'772'366'400)};

  struct Event {
    MonoTime time;
    std::uint64_t lane;
    std::uint64_t number;
    mutable Action action;  // the queue shows its top as const
    bool operator<(const Event& other) const {
      if (time != other.time) return time > other.time;
      if (lane != other.lane) return lane > other.lane;
      return number > other.number;
    }
  };

  MonoTime now_ = kStart;
  std::uint64_t last_ = 0;
  std::priority_queue<Event> queue_;
};

}  // namespace kscpush::simulation

// Deadlines of a shard: an intrusive hashed wheel, O(1) to set and to clear, no allocation.
//
// Coarse on purpose (kTick): what waits here are keep alives and answer deadlines. A timer never
// fires early. A deadline that moves away with every packet is not moved in the wheel: the owner
// sets the timer again when it fires too early for what it waits for.
//
// One thread: the shard's.
#pragma once

#include <array>
#include <cstddef>

#include "core/clock.hpp"

namespace kscpush::server {

class TimerWheel;

// Derive from it. Clears itself when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { clear(); }

  // May set the timer again, or destroy it.
  virtual void on_timer(MonoTime now) = 0;

  void clear();
  [[nodiscard]] bool set() const { return next_ != nullptr; }
  [[nodiscard]] MonoTime deadline() const { return deadline_; }  // while it is set

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  MonoTime deadline_{};
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{500};

  explicit TimerWheel(MonoTime now);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  void set(Timer& timer, MonoTime deadline);
  // Fires what is due at NOW.
  void advance(MonoTime now);

 private:
  static constexpr std::size_t kSlots = 1024;  // 512 s; later deadlines go round again

  // Ends of the slots' rings; never fired.
  class Head final : public Timer {
   public:
    void on_timer(MonoTime /*now*/) override {}
  };

  static void link(Timer& head, Timer& timer);
  void fire_slot(std::size_t slot, MonoTime now);
  [[nodiscard]] std::int64_t tick_of(MonoTime time) const;

  MonoTime start_;
  std::int64_t current_ = 0;  // the tick that was fired last
  std::array<Head, kSlots> slots_;
};

}  // namespace kscpush::server

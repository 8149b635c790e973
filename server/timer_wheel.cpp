#include "server/timer_wheel.hpp"

#include <algorithm>

namespace kscpush::server {

void Timer::clear() {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

TimerWheel::TimerWheel(MonoTime now) : start_(now) {
  for (Head& head : slots_) head.next_ = head.previous_ = &head;
}

// Timers may outlive the wheel; they must not point into it.
TimerWheel::~TimerWheel() {
  for (Head& head : slots_) {
    while (head.next_ != &head) head.next_->clear();
  }
}

std::int64_t TimerWheel::tick_of(MonoTime time) const {
  return (time - start_) / kTick;
}

void TimerWheel::link(Timer& head, Timer& timer) {
  timer.previous_ = head.previous_;
  timer.next_ = &head;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
}

void TimerWheel::set(Timer& timer, MonoTime deadline) {
  timer.clear();
  timer.deadline_ = deadline;
  // One tick later than the deadline's own, so that it never fires early.
  const std::int64_t due = std::max(tick_of(deadline), current_) + 1;
  const std::int64_t within = std::min(due, current_ + static_cast<std::int64_t>(kSlots) - 1);
  link(slots_[static_cast<std::size_t>(within) % kSlots], timer);
}

void TimerWheel::fire_slot(std::size_t slot, MonoTime now) {
  // The slot's timers move to a ring of their own first: one that is set again may come back here.
  Head due;
  due.next_ = due.previous_ = &due;
  Head& head = slots_[slot];
  while (head.next_ != &head) {
    Timer& timer = *head.next_;
    timer.clear();
    link(due, timer);
  }
  while (due.next_ != &due) {
    Timer& timer = *due.next_;
    timer.clear();
    if (timer.deadline_ <= now) {
      timer.on_timer(now);
    } else {
      set(timer, timer.deadline_);
    }
  }
  due.next_ = due.previous_ = nullptr;
}

void TimerWheel::advance(MonoTime now) {
  const std::int64_t target = tick_of(now);
  // After a long stop of the process each slot needs to be looked at once only.
  current_ = std::max(current_, target - static_cast<std::int64_t>(kSlots));
  while (current_ < target) {
    ++current_;
    fire_slot(static_cast<std::size_t>(current_) % kSlots, now);
  }
}

}  // namespace kscpush::server

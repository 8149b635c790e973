#include "server/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace kscpush::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime kStart{hours(1)};

struct TestTimer final : Timer {
  void on_timer(MonoTime now) override {
    fired.push_back(now);
    if (then) then(now);
  }
  std::vector<MonoTime> fired;
  std::function<void(MonoTime)> then;
};

// Turns the wheel as a shard does, every tick or a little later.
struct Turning {
  void to(MonoTime end, Duration step = TimerWheel::kTick) {
    while (now < end) {
      now = std::min(now + step, end);
      wheel.advance(now);
    }
  }
  void by(Duration time) { to(now + time); }
  MonoTime now = kStart;
  TimerWheel wheel{kStart};
};

}  // namespace

TEST_CASE("timer: fires once, never early, at most two ticks late") {
  Turning turning;
  std::mt19937_64 random(1);
  std::vector<std::unique_ptr<TestTimer>> timers;
  std::vector<MonoTime> deadlines;
  for (int i = 0; i < 2000; ++i) {
    // Also beyond the wheel's 512 s, which go round.
    const auto deadline = kStart + milliseconds(random() % 3'000'000);
    timers.push_back(std::make_unique<TestTimer>());
    turning.wheel.set(*timers.back(), deadline);
    deadlines.push_back(deadline);
  }
  turning.to(kStart + seconds(3002), milliseconds(170));
  for (std::size_t i = 0; i < timers.size(); ++i) {
    REQUIRE(timers[i]->fired.size() == 1);
    CHECK(timers[i]->fired[0] >= deadlines[i]);
    CHECK(timers[i]->fired[0] <= deadlines[i] + 2 * TimerWheel::kTick);
    CHECK_FALSE(timers[i]->set());
  }
}

TEST_CASE("timer: a deadline in the past fires at the next tick, not in set()") {
  Turning turning;
  turning.by(seconds(10));
  TestTimer timer;
  turning.wheel.set(timer, kStart);
  CHECK(timer.fired.empty());
  turning.by(2 * TimerWheel::kTick);
  CHECK(timer.fired.size() == 1);
}

TEST_CASE("timer: never, for a deadline that never comes") {
  Turning turning;
  TestTimer timer;
  turning.wheel.set(timer, MonoTime::max());
  turning.by(hours(2));
  CHECK(timer.fired.empty());
  CHECK(timer.set());
}

TEST_CASE("timer: setting it again moves it, clearing it stops it") {
  Turning turning;
  TestTimer moved;
  TestTimer cleared;
  turning.wheel.set(moved, kStart + seconds(5));
  turning.wheel.set(cleared, kStart + seconds(5));
  turning.wheel.set(moved, kStart + seconds(20));
  cleared.clear();
  CHECK_FALSE(cleared.set());
  turning.by(seconds(19));
  CHECK(moved.fired.empty());
  turning.by(seconds(3));
  CHECK(moved.fired.size() == 1);
  CHECK(cleared.fired.empty());
}

TEST_CASE("timer: may set itself again when it fires, also into its own slot") {
  Turning turning;
  TestTimer timer;
  timer.then = [&](MonoTime now) { turning.wheel.set(timer, now + seconds(512)); };
  turning.wheel.set(timer, kStart + seconds(512));
  turning.by(seconds(5 * 513));
  CHECK(timer.fired.size() == 5);
}

TEST_CASE("timer: one that is set to now again and again fires once a tick, and time goes on") {
  Turning turning;
  TestTimer timer;
  timer.then = [&](MonoTime now) { turning.wheel.set(timer, now); };
  turning.wheel.set(timer, kStart);
  turning.by(seconds(10));
  CHECK(timer.fired.size() >= 10);
  CHECK(timer.fired.size() <= 21);
}

TEST_CASE("timer: may destroy itself, and others that are due, when it fires") {
  Turning turning;
  auto first = std::make_unique<TestTimer>();
  auto second = std::make_unique<TestTimer>();
  auto third = std::make_unique<TestTimer>();
  int fired = 0;
  const auto end_all = [&](MonoTime) {
    ++fired;
    third.reset();
    auto* const self = first.release();
    second.reset();
    delete self;
  };
  first->then = end_all;
  for (Timer* timer : {static_cast<Timer*>(first.get()), static_cast<Timer*>(second.get()),
                       static_cast<Timer*>(third.get())}) {
    turning.wheel.set(*timer, kStart + seconds(3));
  }
  turning.by(seconds(10));
  CHECK(fired == 1);
}

TEST_CASE("timer: destroyed while it is set, it does not fire") {
  Turning turning;
  TestTimer stays;
  {
    TestTimer goes;
    turning.wheel.set(goes, kStart + seconds(3));
    turning.wheel.set(stays, kStart + seconds(3));
  }
  turning.by(seconds(10));
  CHECK(stays.fired.size() == 1);
}

TEST_CASE("timer: may outlive the wheel") {
  TestTimer timer;
  {
    Turning turning;
    turning.wheel.set(timer, kStart + seconds(3));
  }
  CHECK_FALSE(timer.set());
}

TEST_CASE(
    "timer: after a long stop of the process everything due fires at once, the rest in time") {
  Turning turning;
  std::vector<std::unique_ptr<TestTimer>> timers;
  for (int i = 0; i < 100; ++i) {
    timers.push_back(std::make_unique<TestTimer>());
    turning.wheel.set(*timers.back(), kStart + seconds(60 * i));
  }
  const MonoTime awake = kStart + seconds(3000) + milliseconds(1);
  turning.now = awake;
  turning.wheel.advance(awake);
  turning.by(TimerWheel::kTick);
  for (std::size_t i = 0; i <= 50; ++i) CHECK(timers[i]->fired.size() == 1);
  for (std::size_t i = 51; i < 100; ++i) CHECK(timers[i]->fired.empty());
  turning.to(kStart + seconds(6000));
  for (std::size_t i = 51; i < 100; ++i) {
    REQUIRE(timers[i]->fired.size() == 1);
    CHECK(timers[i]->fired[0] >= kStart + seconds(60 * static_cast<int>(i)));
  }
}

}  // namespace kscpush::server

#include "server/net/loop.hpp"

#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include "tests/support/patience.hpp"

namespace kscpush::server {
namespace {

using test::kPatience;

// A descriptor that is readable until it is read.
struct Ready final : Watched {
  explicit Ready(Loop& owner) : loop(owner) { REQUIRE(loop.add(descriptor.get(), *this, EPOLLIN)); }
  void on_events(std::uint32_t events) override {
    CHECK((events & EPOLLIN) != 0);
    ++told;
    if (then) then();
  }
  void read() const {
    eventfd_t value = 0;
    ::eventfd_read(descriptor.get(), &value);
  }
  Loop& loop;
  Descriptor descriptor{::eventfd(1, EFD_NONBLOCK)};
  int told = 0;
  std::function<void()> then;
};

}  // namespace

TEST_CASE("loop: what is posted runs in order, and what that posts after it") {
  Loop loop;
  std::string ran;
  loop.post([&] {
    ran += 'a';
    loop.post([&] { ran += 'c'; });
  });
  loop.post([&] { ran += 'b'; });
  CHECK(ran.empty());
  CHECK(loop.poll() == 3);
  CHECK(ran == "abc");
  CHECK(loop.poll() == 0);
}

TEST_CASE("loop: a task may own what only moves, and is gone before the next runs") {
  Loop loop;
  const auto owned = std::make_shared<int>(1);
  long held = 0;
  loop.post([copy = std::make_unique<std::shared_ptr<int>>(owned)] { CHECK(**copy == 1); });
  loop.post([&] { held = owned.use_count(); });
  loop.poll();
  CHECK(held == 1);
}

TEST_CASE("loop: it sleeps until another thread posts something, and ends when it is stopped") {
  Loop loop;
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&] { ++ran; });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  CHECK(ran == 1000);
  loop.run();  // for good
  loop.post([&] { ++ran; });
  CHECK(loop.poll() == 1);
}

TEST_CASE("loop: stopped from another thread while it sleeps") {
  Loop loop;
  std::thread other([&] { loop.stop(); });
  loop.run();
  other.join();
  CHECK(loop.poll() == 0);
}

TEST_CASE("loop: who goes on posting does not keep the sockets from their turn") {
  Loop loop;
  Ready socket(loop);
  int turns = 0;
  std::function<void()> again = [&] {
    ++turns;
    if (socket.told == 0) loop.post(again);
  };
  loop.post(again);
  loop.turn(kPatience);
  CHECK(socket.told == 1);
  loop.remove(socket.descriptor.get(), socket);
  loop.poll();
  CHECK(turns < 10);
}

TEST_CASE("loop: what is not read is told again") {
  Loop loop;
  Ready socket(loop);
  loop.turn(kPatience);
  loop.turn(kPatience);
  CHECK(socket.told == 2);
  socket.read();
  CHECK(loop.poll() == 0);
  CHECK(socket.told == 2);
}

TEST_CASE("loop: who was removed hears nothing more, not even of the same turn") {
  Loop loop;
  Ready first(loop);
  Ready second(loop);
  first.then = [&] { loop.remove(second.descriptor.get(), second); };
  second.then = [&] { loop.remove(first.descriptor.get(), first); };
  loop.turn(kPatience);
  CHECK(first.told + second.told == 1);
}

TEST_CASE("loop: timers run when they are due, once, and not when they are cancelled or set anew") {
  Loop loop;
  LoopTimer now(loop);
  LoopTimer later(loop);
  LoopTimer never(loop);
  std::string ran;
  never.set(Duration{}, [&] { ran += 'x'; });
  now.set(Duration{}, [&] { ran += 'y'; });
  now.set(Duration{}, [&] {
    ran += 'a';
    never.cancel();
    now.set(std::chrono::hours(1), [&] { ran += 'z'; });
  });
  never.cancel();
  CHECK(loop.poll() == 1);
  CHECK(ran == "a");
  const MonoTime begun = std::chrono::steady_clock::now();
  constexpr std::chrono::milliseconds kAfter{20};
  later.set(kAfter, [&] { ran += 'b'; });
  while (ran == "a" && std::chrono::steady_clock::now() < begun + kPatience) loop.turn(kPatience);
  CHECK(ran == "ab");
  CHECK(std::chrono::steady_clock::now() - begun >= kAfter);
}

TEST_CASE("loop: a timer that is destroyed is not called") {
  Loop loop;
  {
    LoopTimer gone(loop);
    gone.set(Duration{}, [] { FAIL("called"); });
  }
  CHECK(loop.poll() == 0);
}

}  // namespace kscpush::server

#include "core/two_way.hpp"

#include <array>

#include <doctest/doctest.h>

namespace kscpush {
namespace {

using std::chrono::seconds;
using Do = TwoWay::Do;
using Way = TwoWay::Way;

// One side: what it has sent, what it takes, what it is told.
struct Side {
  std::string sent;
  std::string heard;
  std::size_t room = 1000;
  IoResult::Kind end = IoResult::Kind::kWantRead;  // behind what it has sent
  bool shut = false;

  IoResult read(std::span<char> into) {
    if (sent.empty()) return {end, 0};
    const std::size_t n = sent.copy(into.data(), into.size());
    sent.erase(0, n);
    return {IoResult::Kind::kBytes, n};
  }
  IoResult write(std::string_view bytes) {
    const std::size_t n = std::min(room, bytes.size());
    if (n == 0) return {IoResult::Kind::kWantWrite, 0};
    heard += bytes.substr(0, n);
    room -= n;
    return {IoResult::Kind::kBytes, n};
  }
  IoResult shutdown_write() {
    shut = true;
    return {IoResult::Kind::kBytes, 0};
  }
  [[nodiscard]] static std::string last_error() { return "reset"; }
};

struct Rig {
  explicit Rig(const TwoWayLimits& limits = {}) : stream(limits, now, {"near"}, {"far"}) {}
  TwoWay::Next run(Way way) { return stream.run(way, near, far, scratch, now); }
  [[nodiscard]] std::string reason() const { return stream.end() ? stream.end()->reason : ""; }

  MonoTime now{};
  Side near;
  Side far;
  std::array<char, 8> scratch{};
  TwoWay stream;
};

}  // namespace

TEST_CASE("two way: each way waits for its own source, and both closed is a good end") {
  Rig rig;
  rig.near.sent = "question";
  auto next = rig.run(Way::kOut);
  CHECK(next.what == Do::kWaitReadable);
  CHECK(next.near);
  CHECK(next.usual);
  CHECK(rig.far.heard == "question");
  rig.near.end = IoResult::Kind::kEnd;
  CHECK(rig.run(Way::kOut).what == Do::kNothing);
  CHECK(rig.far.shut);
  CHECK(rig.stream.near_has_closed());
  rig.far.sent = "answer";
  next = rig.run(Way::kIn);
  CHECK(next.what == Do::kWaitReadable);
  CHECK_FALSE(next.near);
  rig.far.end = IoResult::Kind::kEnd;
  CHECK(rig.run(Way::kIn).what == Do::kOver);
  CHECK(rig.stream.end()->orderly);
  CHECK(rig.stream.from_near() == 8);
  CHECK(rig.stream.from_far() == 6);
  CHECK_FALSE(rig.stream.end("again"));
  CHECK(rig.reason() == "both sides have closed");
}

TEST_CASE("two way: a sink that takes nothing is waited for, and TLS may want the other") {
  Rig rig;
  rig.near.sent = "x";
  rig.far.room = 0;
  auto next = rig.run(Way::kOut);
  CHECK(next.what == Do::kWaitWritable);
  CHECK_FALSE(next.near);
  CHECK(next.usual);
  rig.far.end = IoResult::Kind::kWantWrite;
  next = rig.run(Way::kIn);
  CHECK(next.what == Do::kWaitWritable);
  CHECK_FALSE(next.near);
  CHECK_FALSE(next.usual);
}

TEST_CASE("two way: a side that is lost is told by its name") {
  Rig rig;
  rig.far.end = IoResult::Kind::kError;
  CHECK(rig.run(Way::kIn).what == Do::kOver);
  CHECK_FALSE(rig.stream.end()->orderly);
  CHECK(rig.reason() == "far was lost: reset");
  CHECK(rig.run(Way::kOut).what == Do::kNothing);
}

TEST_CASE("two way: silence, lifetime and bytes have bounds") {
  const TwoWayLimits limits{seconds(10), seconds(25), 10};
  Rig silent(limits);
  CHECK(silent.stream.deadline() == silent.now + seconds(10));
  silent.now += seconds(9);
  CHECK_FALSE(silent.stream.expired(silent.now));
  silent.near.sent = "x";
  silent.run(Way::kOut);
  CHECK(silent.stream.deadline() == silent.now + seconds(10));
  silent.now += seconds(10);
  CHECK(silent.stream.expired(silent.now));
  CHECK(silent.reason() == "no byte has passed for its idle time");
  Rig old(limits);
  for (int i = 0; i < 4; ++i) {
    old.now += seconds(6);
    old.near.sent = "x";
    old.run(Way::kOut);
  }
  CHECK(old.stream.deadline() == MonoTime{} + seconds(25));
  CHECK(old.stream.expired(MonoTime{} + seconds(25)));
  CHECK(old.reason() == "its lifetime is over");
  Rig large(limits);
  large.near.sent = "12345678";
  large.run(Way::kOut);
  large.far.sent = "123";
  CHECK(large.run(Way::kIn).what == Do::kOver);
  CHECK(large.near.heard == "12");
  CHECK(large.reason() == "it has carried its 10 bytes");
}

TEST_CASE("two way: without bounds it has no deadline") {
  Rig rig;
  CHECK(rig.stream.deadline() == MonoTime::max());
  CHECK_FALSE(rig.stream.expired(rig.now + std::chrono::hours(1000)));
}

}  // namespace kscpush

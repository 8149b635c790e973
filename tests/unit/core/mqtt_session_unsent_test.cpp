// A device that does not take what the session has for it.
#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/mqtt/session.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {
namespace {

using namespace testing;

// The output counts as unsent until it is taken; with commands for a session that is resumed with
// COUNT pushes in flight.
struct Reader final : SessionActions {
  explicit Reader(std::uint32_t unsent_bytes) { limits.unsent_bytes = unsent_bytes; }

  std::string& output() override { return out; }
  [[nodiscard]] std::size_t unsent() const override { return out.size(); }
  void on_connect(const ConnectRequest& /*request*/) override {
    session.accept(std::move(state), true, wall, *this);
  }
  void on_subscribed() override {}
  void on_unsubscribed() override {}
  void on_message(UpTopic /*topic*/, std::string_view /*payload*/) override {}
  void on_acked(std::uint64_t /*token*/, ReasonCode /*code*/) override {}
  void on_resent(std::uint64_t token, int attempts) override {
    resent.push_back(fmt::format("{} for the {}. time", token, attempts));
  }
  void on_dropped(std::uint64_t /*token*/, DropReason /*reason*/) override {}
  void on_end(EndReason /*reason*/, std::string_view /*detail*/) override {}

  void resume(std::size_t count, const std::string& payload) {
    for (std::size_t i = 1; i <= count; ++i) {
      state.in_flight.push_back({static_cast<std::uint16_t>(i), push(i, payload)});
    }
    state.subscribed = true;
    state.qos = 1;
    session.receive(connect({.flags = 0, .properties = bytes("11 00 00 0e 10")}), MonoTime(1h),
                    *this);
  }
  void take_all() {
    out.clear();
    session.flushed(wall, *this);
  }

  Limits limits;
  WallTime wall{std::chrono::milliseconds(1'700'000'000'000)};
  SessionState state;
  std::string out;
  std::vector<std::string> resent;
  Session session{limits, MonoTime(1h)};
};

}  // namespace

TEST_CASE("unsent: while too much waits the session takes no packets") {
  Reader reader(100);
  reader.resume(0, "");
  reader.take_all();
  std::string pings;
  for (int i = 0; i < 200; ++i) pings += kPingreq;
  CHECK(reader.session.receive(pings, MonoTime(1h), reader) == 100);
  CHECK(reader.out.size() == 100);
  CHECK(reader.session.receive(pings, MonoTime(1h), reader) == 0);
  reader.take_all();
  CHECK(reader.session.receive(pings, MonoTime(1h), reader) == 100);
}

TEST_CASE("unsent: while too much waits there are no pushes, one beyond the bound goes alone") {
  Reader reader(1000);
  reader.resume(0, "");
  reader.take_all();
  const std::string large(2000, 'x');
  using Delivery = Session::Delivery;
  CHECK(reader.session.deliver(push(1, large), reader.wall, reader) == Delivery::kSent);
  CHECK(reader.session.deliver(push(2, "{}"), reader.wall, reader) == Delivery::kNoRoom);
  reader.take_all();
  CHECK(reader.session.deliver(push(2, "{}"), reader.wall, reader) == Delivery::kSent);
  CHECK(reader.session.deliver(push(3, large), reader.wall, reader) == Delivery::kNoRoom);
}

TEST_CASE("unsent: a resumed session sends again as there is room, in order, and counts") {
  Reader reader(1000);
  reader.resume(5, std::string(300, 'x'));
  CHECK(reader.out.size() <= 1400);
  CHECK(reader.resent == Calls{"1 for the 2. time", "2 for the 2. time"});
  reader.take_all();
  CHECK(reader.resent.size() == 4);
  reader.take_all();
  CHECK(reader.resent.size() == 5);
  CHECK(reader.session.state().in_flight.back().push.attempts == 2);
}

}  // namespace kscpush::mqtt

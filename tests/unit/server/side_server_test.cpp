// The door beside MQTT: what a peer may do before its service has it.
#include "server/side/side_server.hpp"

#include <doctest/doctest.h>

#include "server/net/linger.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/unit/server/wire_link.hpp"

namespace kscpush::server {
namespace {

constexpr std::string_view kProtocol = "test/1";

class Echo final : public SideService {
 public:
  explicit Echo(SideServer& side) : side_(side) {}
  void serve(const SideRequest& request) override {
    last = request.connection;
    if (request.line != "wait") side_.answer(request.connection, std::string(request.line));
  }
  std::uint64_t last = 0;

 private:
  SideServer& side_;
};

struct Rig {
  Rig() { side.add(kProtocol, echo); }
  // As much as there is to do now.
  void settle(const std::shared_ptr<Wire>& wire) {
    for (int round = 0; round < 5; ++round) {
      side.loop().poll();
      wire->wake();
    }
  }
  std::shared_ptr<Wire> connect(std::string bytes, std::string_view protocol = kProtocol) {
    auto wire = std::make_shared<Wire>();
    wire->sent = std::move(bytes);
    side.take(LinkPtr(new WireLink(wire, {.protocol = protocol})));
    settle(wire);
    return wire;
  }
  void pass(Duration time) {
    clock.advance(time);
    side.wheel().advance(clock.now());
  }

  test::FakeClock clock;
  spdlog::logger log{"test"};  // without a sink
  SideServer side{clock, log};
  Echo echo{side};
};

}  // namespace

TEST_CASE("side: one line is answered with one line, which ends the connection") {
  Rig rig;
  const auto wire = rig.connect("hel");
  CHECK(wire->heard.empty());
  wire->sent = "lo\nmore";
  rig.settle(wire);
  CHECK(wire->heard == "hello\n");
  CHECK(wire->shut);
  wire->ended = true;
  rig.settle(wire);
  CHECK(wire->gone);
  CHECK(rig.side.counters().open.get() == 0);
  CHECK(rig.connect("hello\n", "other/1")->gone);
}

TEST_CASE("side: who says nothing, is not served, or takes nothing is closed in time") {
  Rig rig;
  const auto silent = rig.connect("no line's end");
  rig.pass(SideServer::kLineWithin - std::chrono::seconds(1));
  CHECK_FALSE(silent->gone);
  rig.pass(std::chrono::seconds(2));
  CHECK(silent->gone);
  const auto unserved = rig.connect("wait\n");
  rig.pass(SideServer::kServedWithin - std::chrono::seconds(1));
  CHECK_FALSE(unserved->gone);
  rig.pass(std::chrono::seconds(2));
  CHECK(unserved->gone);
  rig.side.answer(rig.echo.last, "late");  // goes nowhere
  rig.settle(unserved);
  const auto deaf = std::make_shared<Wire>();
  deaf->sent = "hello\n";
  deaf->room = 0;
  rig.side.take(LinkPtr(new WireLink(deaf, {.protocol = kProtocol})));
  rig.settle(deaf);
  CHECK_FALSE(deaf->gone);
  rig.pass(server::kLinger + std::chrono::seconds(1));
  CHECK(deaf->gone);
  CHECK(rig.side.counters().timeouts.get() == 3);
}

TEST_CASE("side: a line may be so long, and not longer") {
  Rig rig;
  const std::string longest(SideServer::kLongestLine, 'x');
  CHECK(rig.connect(longest + "\n")->heard == longest + "\n");
  const auto longer = rig.connect(longest + "x\n");
  CHECK(longer->gone);
  CHECK(longer->heard.empty());
  CHECK(rig.connect(longest + "x")->gone);
}

TEST_CASE("side: with too many connections the oldest gives way") {
  Rig rig;
  std::vector<std::shared_ptr<Wire>> wires;
  for (std::size_t i = 0; i < SideServer::kMostOpen; ++i) wires.push_back(rig.connect(""));
  CHECK(rig.side.counters().open.get() == SideServer::kMostOpen);
  wires.push_back(rig.connect(""));
  CHECK(wires[0]->gone);
  CHECK_FALSE(wires[1]->gone);
  CHECK_FALSE(wires.back()->gone);
  CHECK(rig.side.counters().open.get() == SideServer::kMostOpen);
  CHECK(rig.side.counters().gave_way.get() == 1);
}

TEST_CASE("regression: who goes on sending does not hold up the others") {
  Rig rig;
  const auto flood = std::make_shared<Wire>();
  const auto other = std::make_shared<Wire>();
  flood->sent = "hello\n" + std::string(10'000, 'x');
  flood->record = 1;
  other->sent = "hello\n";
  rig.side.take(LinkPtr(new WireLink(flood, {.protocol = kProtocol})));
  rig.side.take(LinkPtr(new WireLink(other, {.protocol = kProtocol})));
  for (int turn = 0; turn < 100 && other->heard.empty(); ++turn) {
    rig.side.loop().turn({});
  }
  CHECK(other->heard == "hello\n");
  CHECK(flood->sent.size() > 9'000);
  rig.settle(flood);  // and nothing of it is left unread
  CHECK(flood->heard == "hello\n");
  CHECK(flood->sent.empty());
}

TEST_CASE("regression: who sends without an end behind the answer is closed") {
  Rig rig;
  const auto flood = rig.connect("hello\n" + std::string(4 * server::kMostLingering, 'x'));
  CHECK(flood->heard == "hello\n");
  CHECK(flood->gone);
  CHECK(rig.side.counters().open.get() == 0);
}

}  // namespace kscpush::server

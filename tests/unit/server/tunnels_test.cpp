// Tunnels without sockets or threads: connections in memory, a device that answers when the test
// says so, a clock that the test moves.
#include "server/tunnel/tunnels.hpp"

#include <doctest/doctest.h>

#include "core/port_protocols.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/server/wire_link.hpp"

namespace kscpush::server {
namespace {

using std::chrono::seconds;

constexpr std::string_view kOk = "{\"ok\":true}\n";

struct Rig {
  Rig() { side.add(kTunnelProtocol, tunnels); }
  // As the push server does: what the store still answers is waited for.
  ~Rig() {
    tunnels.stop();
    settle();
  }

  // Until nothing happens any more.
  void settle() {
    for (int round = 0; round < 20; ++round) {
      store->drain();
      side.loop().poll();
      for (const auto& wire : wires) wire->wake();
    }
  }
  void advance(Duration time) {
    clock.advance(time);
    side.wheel().advance(clock.now());
    tunnels.tick(clock.now());
    settle();
  }
  std::shared_ptr<Wire> connect(const std::string& line, const std::string& proved = "") {
    auto wire = std::make_shared<Wire>();
    wire->sent = line + "\n";
    wires.push_back(wire);
    side.take(LinkPtr(new WireLink(wire, {.protocol = kTunnelProtocol, .device = proved})));
    settle();
    return wire;
  }
  void open(TunnelOrder order = {.device = *DeviceId::parse("pc-1"),
                                 .host = "127.0.0.1",
                                 .port = Port::of<22>(),
                                 .opened_by = "operator at test"}) {
    tunnels.open(std::move(order),
                 [this](Result<OpenedTunnel> result) { opened = std::move(result); });
    settle();
  }
  // The token that the device was given.
  [[nodiscard]] std::string device_token() const {
    return nlohmann::json::parse(params).at("token").get<std::string>();
  }
  void say_yes() {
    answer(PushAnswer{Ulid::generate(clock.wall()), PushState::kCompleted, {}});
    settle();
  }
  // Open, with nothing sent yet.
  void open_all(const TunnelOrder& order) {
    open(order);
    device = connect(device_token(), "pc-1");
    say_yes();
    REQUIRE(opened.has_value());
    REQUIRE(opened->has_value());
    caller = connect((*opened)->token.str());
    CHECK(caller->heard == kOk);
    CHECK(device->heard == kOk);
    caller->heard.clear();
    device->heard.clear();
  }
  void open_all() {
    open_all({.device = *DeviceId::parse("pc-1"), .host = "127.0.0.1", .port = Port::of<22>()});
  }
  [[nodiscard]] TunnelRecord audited() {
    settle();
    return store->list_ended_tunnels(0, 10).value().at(0);
  }

  test::FakeClock clock;
  test::TempDir folder;
  spdlog::logger log{"test"};  // without a sink
  std::unique_ptr<Store> store = Store::open(folder.path(), clock).value();
  SideServer side{clock, log};
  std::string params;  // that the device was asked with
  Tunnels::Asked answer;
  Tunnels tunnels{side, *store, clock, log,
                  [this](const DeviceId&, std::string text, Tunnels::Asked asked) {
                    params = std::move(text);
                    answer = std::move(asked);
                  }};
  std::optional<Result<OpenedTunnel>> opened;
  std::vector<std::shared_ptr<Wire>> wires;
  std::shared_ptr<Wire> device;
  std::shared_ptr<Wire> caller;
};

}  // namespace

TEST_CASE("tunnels: two connections become one, and the record says what went through") {
  Rig rig;
  rig.open_all();
  rig.caller->sent = "question";
  rig.settle();
  CHECK(rig.device->heard == "question");
  rig.caller->ended = true;
  rig.settle();
  CHECK(rig.device->shut);  // half-close
  CHECK_FALSE(rig.caller->shut);
  rig.device->sent = "the answer";
  rig.device->ended = true;
  rig.settle();
  CHECK(rig.caller->heard == "the answer");
  CHECK(rig.caller->gone);
  CHECK(rig.device->gone);
  CHECK_FALSE(rig.caller->broken);
  const TunnelRecord record = rig.audited();
  CHECK(record.device.str() == "pc-1");
  CHECK(record.host == "127.0.0.1");
  CHECK(record.port == Port::of<22>());
  REQUIRE(record.end.has_value());
  CHECK(record.end->reason == "both sides have closed");
  CHECK(record.end->to_device == 8);
  CHECK(record.end->from_device == 10);
  CHECK(rig.tunnels.counters().open.get() == 0);
  CHECK(rig.tunnels.counters().bytes.get() == 18);
}

TEST_CASE("tunnels: what the device says before the operator is there waits") {
  Rig rig;
  rig.open();
  rig.device = rig.connect(rig.device_token() + "\nSSH-2.0", "pc-1");
  rig.say_yes();
  rig.caller = rig.connect((*rig.opened)->token.str());
  CHECK(rig.caller->heard == std::string(kOk) + "SSH-2.0\n");
}

TEST_CASE("tunnels: a token is for one use") {
  Rig rig;
  rig.open_all();
  const auto again = rig.connect((*rig.opened)->token.str());
  CHECK(again->heard.find("\"code\":\"denied\"") != std::string::npos);
  CHECK(again->shut);
  const auto device = rig.connect(rig.device_token(), "pc-1");
  CHECK(device->heard.find("was used") != std::string::npos);
  CHECK(rig.connect("no token at all")->heard.find("denied") != std::string::npos);
  CHECK(rig.tunnels.counters().tokens_refused.get() == 3);
  CHECK(rig.tunnels.counters().open.get() == 1);
}

TEST_CASE("tunnels: the device's side comes with that device's certificate") {
  Rig rig;
  rig.open();
  for (const char* const other : {"", "pc-2"}) {
    const auto wire = rig.connect(rig.device_token(), other);
    CHECK(wire->heard.find("for device 'pc-1'") != std::string::npos);
  }
  // Nobody can use up the token without it.
  CHECK(rig.connect(rig.device_token(), "pc-1")->heard == kOk);
}

TEST_CASE("tunnels: a token is over after a minute") {
  Rig rig;
  rig.open();
  rig.device = rig.connect(rig.device_token(), "pc-1");
  rig.say_yes();
  rig.advance(Tunnels::kTokenLasts);
  CHECK(rig.device->broken);
  const auto late = rig.connect((*rig.opened)->token.str());
  CHECK(late->heard.find("denied") != std::string::npos);
  CHECK(rig.audited().end->reason == "the operator's side did not come in time");
  CHECK(rig.tunnels.counters().failed.get() == 1);
  CHECK(rig.tunnels.counters().pending.get() == 0);
}

TEST_CASE("tunnels: what the device refuses is told with its reason") {
  Rig rig;
  rig.open();
  rig.answer(PushAnswer{Ulid::generate(rig.clock.wall()),
                        PushState::kFailed,
                        {{"error", "not that host"}, {"hint", "ask"}, {"code", "denied"}}});
  rig.settle();
  REQUIRE_FALSE(rig.opened->has_value());
  CHECK(rig.opened->error().code == ErrorCode::kDenied);
  CHECK(rig.opened->error().message == "device 'pc-1': not that host");
  CHECK(rig.opened->error().hint == "ask");
  CHECK(rig.audited().end->reason == "device 'pc-1': not that host");
}

TEST_CASE("tunnels: what the device says is one short line without what a terminal obeys") {
  Rig rig;
  rig.open();
  rig.answer(PushAnswer{
      Ulid::generate(rig.clock.wall()),
      PushState::kFailed,
      {{"error", "no\n[error] forged\x1b[31m"}, {"hint", std::string(100'000, 'x') + "\r"}}});
  rig.settle();
  REQUIRE_FALSE(rig.opened->has_value());
  CHECK(rig.opened->error().message == "device 'pc-1': no?[error] forged?[31m");
  CHECK(rig.opened->error().hint == std::string(500, 'x'));
  CHECK(rig.audited().end->reason == "device 'pc-1': no?[error] forged?[31m");
}

TEST_CASE("tunnels: a yes without the device's side is none") {
  Rig rig;
  rig.open();
  rig.say_yes();
  REQUIRE_FALSE(rig.opened->has_value());
  CHECK(rig.opened->error().code == ErrorCode::kFailed);
}

TEST_CASE("tunnels: a side that reads nothing stops the other, within a bound") {
  Rig rig;
  rig.open_all();
  rig.device->room = 10;
  rig.caller->sent = std::string(1'000'000, 'x');
  rig.settle();
  CHECK(rig.device->heard.size() == 10);
  CHECK(rig.caller->sent.size() >= 1'000'000 - rig.side.scratch().size());
  rig.device->sent = "still";  // the other direction goes on
  rig.settle();
  CHECK(rig.caller->heard == "still");
  rig.device->room = 2'000'000;
  rig.settle();
  CHECK(rig.device->heard.size() == 1'000'000);
}

TEST_CASE("tunnels: a side that is lost breaks the other off") {
  Rig rig;
  rig.open_all();
  rig.device->lost = true;
  rig.settle();
  CHECK(rig.caller->broken);
  CHECK(rig.caller->gone);
  CHECK_FALSE(rig.caller->shut);
  CHECK(rig.audited().end->reason == "the device's side was lost: reset");
}

TEST_CASE("tunnels: silence, age and bytes have bounds") {
  const TunnelOrder order{.device = *DeviceId::parse("pc-1"),
                          .host = "127.0.0.1",
                          .port = Port::of<22>(),
                          .idle = seconds(100),
                          .lifetime = seconds(250),
                          .most_bytes = 100};
  Rig silent;
  silent.open_all(order);
  silent.advance(seconds(90));
  silent.caller->sent = "x";
  silent.settle();
  silent.advance(seconds(90));
  CHECK_FALSE(silent.caller->gone);
  silent.advance(seconds(20));
  CHECK(silent.caller->broken);
  CHECK(silent.audited().end->reason == "no byte has passed for its idle time");
  Rig old;
  old.open_all(order);
  for (int i = 0; i < 3; ++i) {
    old.advance(seconds(90));
    old.caller->sent = "x";
    old.settle();
  }
  CHECK(old.audited().end->reason == "its lifetime is over");
  Rig large;
  large.open_all(order);
  large.device->sent = std::string(60, 'x');
  large.settle();
  large.caller->sent = std::string(41, 'x');
  large.settle();
  CHECK(large.device->heard.size() == 40);
  CHECK(large.audited().end->reason == "it has carried its 100 bytes");
}

TEST_CASE("tunnels: they can be looked at and closed") {
  Rig rig;
  rig.open_all();
  rig.caller->sent = "12345";
  rig.settle();
  const Ulid id = (*rig.opened)->record.id;
  std::vector<TunnelView> all;
  rig.tunnels.list([&](std::vector<TunnelView> views) { all = std::move(views); });
  rig.settle();
  REQUIRE(all.size() == 1);
  CHECK(all[0].state == TunnelState::kOpen);
  CHECK(all[0].to_device == 5);
  std::optional<Result<TunnelView>> closed;
  rig.tunnels.close(id, "enough", [&](Result<TunnelView> view) { closed = std::move(view); });
  rig.settle();
  CHECK(closed->value().record.end->reason == "enough");
  CHECK(rig.device->broken);
  rig.tunnels.find(id, [&](Result<TunnelView> view) { closed = std::move(view); });
  rig.settle();
  CHECK(closed->value().state == TunnelState::kEnded);
  CHECK(closed->value().to_device == 5);
  rig.tunnels.find(Ulid::generate(rig.clock.wall()),
                   [&](Result<TunnelView> view) { closed = std::move(view); });
  rig.settle();
  CHECK(closed->error().code == ErrorCode::kNotFound);
}

TEST_CASE("tunnels: why one has ended is known before it is on disk") {
  Rig rig;
  rig.open_all();
  const Ulid id = (*rig.opened)->record.id;
  std::optional<Result<TunnelView>> seen;
  rig.tunnels.close(id, "enough", [](const Result<TunnelView>&) {});
  rig.tunnels.find(id, [&](Result<TunnelView> view) { seen = std::move(view); });
  rig.side.loop().poll();
  REQUIRE(seen.has_value());
  REQUIRE(seen->value().record.end.has_value());
  CHECK(seen->value().record.end->reason == "enough");
}

TEST_CASE("tunnels: what is answered of an end is on disk") {
  Rig rig;
  rig.open();
  rig.answer(fail(ErrorCode::kOffline, "away"));
  bool answered = false;
  while (!answered) {
    rig.side.loop().poll();
    answered = rig.opened.has_value();
    if (!answered) rig.store->drain();
  }
  CHECK(rig.store->list_ended_tunnels(0, 10).value().size() == 1);
}

TEST_CASE("tunnels: those of a device that may not be here any more end") {
  Rig rig;
  rig.open_all();
  rig.tunnels.recheck(*DeviceId::parse("pc-2"),
                      [](const DeviceId&) { return fail(ErrorCode::kDenied, "revoked"); });
  rig.settle();
  CHECK_FALSE(rig.caller->gone);
  rig.tunnels.recheck(*DeviceId::parse("pc-1"),
                      [](const DeviceId&) { return fail(ErrorCode::kDenied, "revoked"); });
  rig.settle();
  CHECK(rig.caller->broken);
  CHECK(rig.audited().end->reason == "revoked");
}

TEST_CASE("tunnels: a process that was killed leaves none open") {
  Rig rig;
  rig.open();
  REQUIRE(rig.store->end_open_tunnels().has_value());
  CHECK(rig.audited().end->reason == "the push server ended without a word");
}

}  // namespace kscpush::server

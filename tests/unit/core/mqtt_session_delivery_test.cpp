// Pushes to the device: delivery, acknowledgement, resumption.
#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Delivery = Session::Delivery;
using Phase = Session::Phase;

namespace {

constexpr Version k311 = Version::kV311;
constexpr Version k5 = Version::kV5;

// PUBLISH to the inbox at QoS 1, as MQTT 5 devices get it.
std::string pushed(std::uint16_t id, std::string_view payload, std::string_view expiry = {},
                   std::string_view correlation = {}, bool dup = false) {
  std::string encoded = bytes("01 01");
  if (!expiry.empty()) encoded += "\x02" + bytes(expiry);
  encoded += bytes("03 00 10 'application/json'") + "\x08" + str(kUp + "result");
  if (!correlation.empty()) encoded += "\x09" + str(correlation);
  return publish(dup ? 0x0A : 0x02, kInbox, id, payload, k5, encoded);
}

std::vector<std::uint64_t> tokens(const SessionState& state) {
  std::vector<std::uint64_t> out;
  for (const auto& entry : state.in_flight) out.push_back(entry.push.token);
  return out;
}

}  // namespace

TEST_CASE("a push is a PUBLISH to the inbox, with all that MQTT 5 can say about it") {
  Device device = active_device();
  CHECK(device.deliver(push(7, "{\"v\":1}", device.wall() + 90s, *Ulid::parse(kPushId))) ==
        Delivery::kSent);
  CHECK(hex(device.output()) == hex(pushed(1, "{\"v\":1}", "00 00 00 5a", kPushId)));
  CHECK(tokens(device.session().state()) == std::vector<std::uint64_t>{7});
  device.send(puback(1));
  CHECK(device.calls() == Calls{"acked 7 success"});
  CHECK(device.output().empty());
  CHECK(device.session().state().in_flight.empty());
  CHECK(device.session().state().in_flight.capacity() == 0);
}

TEST_CASE("a push to a 3.1.1 device has topic, identifier and payload") {
  Device device = active_device(k311);
  CHECK(device.deliver(push(7, "{}", device.wall() + 90s, *Ulid::parse(kPushId))) ==
        Delivery::kSent);
  CHECK(hex(device.output()) == hex(publish(0x02, kInbox, 1, "{}", k311)));
  device.send(puback(1));
  CHECK(device.calls() == Calls{"acked 7 success"});
}

TEST_CASE("[MQTT-4.3.1-1] a QoS 0 subscription: no identifier, nothing in flight") {
  Device device = active_device(k311, 0);
  for (int i = 0; i < 100; ++i) {
    CHECK(device.deliver(push(7)) == Delivery::kSent);
    CHECK(hex(device.output()) == hex(publish(0x00, kInbox, 0, "{}", k311)));
  }
  CHECK(device.session().state().in_flight.empty());
}

TEST_CASE("Message Expiry Interval: seconds left, rounded up, and nothing that has expired") {
  Device device = active_device();
  const auto expiry = [&](std::chrono::milliseconds left) {
    CHECK(device.deliver(push(1, "{}", device.wall() + left)) == Delivery::kSent);
    const std::string sent = device.output();
    const auto frame = next_frame(sent, kMaxPacketBytes);
    const auto packet = decode_publish(**frame, k5, Sender::kServer);
    return packet->properties.number(Property::kMessageExpiry);
  };
  CHECK(expiry(1ms) == 1);
  CHECK(expiry(1s) == 1);
  CHECK(expiry(1001ms) == 2);
  CHECK(expiry(48h) == 172800);
  CHECK(expiry(std::chrono::hours(24 * 365 * 200)) == 0xFFFFFFFF);
  // [MQTT-3.3.2-5]
  CHECK(device.deliver(push(1, "{}", device.wall())) == Delivery::kExpired);
  CHECK(device.deliver(push(1, "{}", device.wall() - 1s)) == Delivery::kExpired);
  CHECK(device.output().empty());
  // None is set when there is none.
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  CHECK(hex(device.output()) == hex(pushed(6, "{}")));
}

TEST_CASE("nothing is delivered to a device that is not subscribed or not there") {
  Device device;
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
  device.send(connect());
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
  device.accept();
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
  device.send(subscribe(1, {kInbox}));
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  device.send(unsubscribe(2, {kInbox}));
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
  device.send(subscribe(3, {kInbox}));
  device.lose_connection();
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
}

TEST_CASE("[MQTT-3.3.4-9] no more in flight than the device's Receive Maximum and the limit") {
  struct Case {
    std::string asked;
    std::uint16_t limit;
    int window;
  };
  for (const Case& c : {Case{bytes("21 00 03"), 16, 3}, Case{bytes("21 00 10"), 2, 2},
                        Case{"", 16, 16}, Case{bytes("21 00 01"), 16, 1}}) {
    Device device = active_device(k5, 1, {.properties = c.asked}, Limits{.in_flight = c.limit});
    for (int i = 0; i < c.window; ++i) CHECK(device.deliver(push(1)) == Delivery::kSent);
    CHECK(device.deliver(push(1)) == Delivery::kWindowFull);
    static_cast<void>(device.output());
    device.send(kPingreq);  // [MQTT-3.3.4-10]
    CHECK(device.output() == kPingresp);
    device.send(puback(1));
    CHECK(device.deliver(push(1)) == Delivery::kSent);
    CHECK(device.deliver(push(1)) == Delivery::kWindowFull);
  }
}

TEST_CASE("[MQTT-3.1.2-24] a push above the device's Maximum Packet Size is not sent") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 80")});
  const std::size_t overhead = pushed(1, "").size();
  CHECK(device.deliver(push(1, std::string(128 - overhead, 'x'))) == Delivery::kSent);
  CHECK(device.output().size() == 128);
  CHECK(device.deliver(push(2, std::string(129 - overhead, 'x'))) == Delivery::kTooLarge);
  CHECK(device.output().empty());
  CHECK(tokens(device.session().state()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("[MQTT-2.2.1-4] packet identifiers: never 0, never one that is in flight") {
  SessionState state;
  state.subscribed = true;
  state.qos = 1;
  state.last_packet_id = 65533;
  state.in_flight.push_back({1, push(1)});
  state.in_flight.push_back({65535, push(2)});
  Device device = resumed_device(state);
  static_cast<void>(device.output());
  CHECK(device.deliver(push(3)) == Delivery::kSent);
  CHECK(hex(device.output()) == hex(pushed(65534, "{}")));
  CHECK(device.deliver(push(4)) == Delivery::kSent);
  CHECK(hex(device.output()) == hex(pushed(2, "{}")));
}

TEST_CASE("acknowledgements come in any order, with any of PUBACK's codes") {
  Device device = active_device();
  for (std::uint64_t token = 1; token <= 3; ++token) {
    CHECK(device.deliver(push(token)) == Delivery::kSent);
  }
  device.send(bytes("40 03 00 02 97") + bytes("40 03 00 01 10") +
              bytes("40 0a 00 03 83 06 1f 00 03 'why'"));
  CHECK(device.calls() == Calls{"acked 2 quota exceeded", "acked 1 no matching subscribers",
                                "acked 3 implementation specific error"});
  device.send(puback(3));  // once more
  CHECK(device.calls() == Calls{"end protocol_error: PUBACK: no PUBLISH with that packet "
                                "identifier is unanswered"});
}

TEST_CASE("[MQTT-4.4.0-1] resumption: what is in flight goes again, with DUP, in order") {
  for (const Version version : {k311, k5}) {
    Device device = active_device(version);
    for (std::uint64_t token = 1; token <= 3; ++token) {
      CHECK(device.deliver(push(token, std::to_string(token))) == Delivery::kSent);
    }
    device.send(puback(2));
    device.lose_connection();
    CHECK(device.calls() == Calls{"acked 2 success", "end connection_lost"});
    const SessionState state = device.take_state();
    CHECK(tokens(state) == std::vector<std::uint64_t>{1, 3});
    CHECK(device.session().state().in_flight.empty());

    Device again = resumed_device(state, version);
    if (version == k5) {
      CHECK(hex(again.output()) ==
            hex(connack(true) + pushed(1, "1", {}, {}, true) + pushed(3, "3", {}, {}, true)));
    } else {
      CHECK(hex(again.output()) == hex(bytes("20 02 01 00") + publish(0x0A, kInbox, 1, "1", k311) +
                                       publish(0x0A, kInbox, 3, "3", k311)));
    }
    CHECK(again.calls() == Calls{"subscribed"});
    CHECK(again.deliver(push(4, "4")) == Delivery::kSent);
    again.send(puback(1) + puback(3) + puback(4));
    CHECK(again.calls() == Calls{"acked 1 success", "acked 3 success", "acked 4 success"});
    CHECK(again.session().state().in_flight.empty());
  }
}

TEST_CASE("[MQTT-3.10.4-3] what is in flight is completed though the device has unsubscribed") {
  Device device = active_device();
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  device.send(unsubscribe(2, {kInbox}));
  device.lose_connection();
  Device again = resumed_device(device.take_state());
  CHECK(hex(again.output()) == hex(connack(true) + pushed(1, "{}", {}, {}, true)));
  CHECK(again.calls().empty());
}

TEST_CASE("[MQTT-4.9.0-2] resumption keeps to a smaller Receive Maximum") {
  Device device = active_device();
  for (std::uint64_t token = 1; token <= 4; ++token) {
    CHECK(device.deliver(push(token)) == Delivery::kSent);
  }
  device.lose_connection();
  Device again = resumed_device(device.take_state(), k5, bytes("21 00 02"));
  CHECK(hex(again.output()) ==
        hex(connack(true) + pushed(1, "{}", {}, {}, true) + pushed(2, "{}", {}, {}, true)));
  CHECK(again.deliver(push(5)) == Delivery::kWindowFull);
  static_cast<void>(again.calls());
  again.send(puback(2));
  CHECK(hex(again.output()) == hex(pushed(3, "{}", {}, {}, true)));
  CHECK(again.deliver(push(5)) == Delivery::kWindowFull);
  again.send(puback(1));
  CHECK(hex(again.output()) == hex(pushed(4, "{}", {}, {}, true)));
  again.send(puback(3));
  CHECK(again.output().empty());
  CHECK(again.deliver(push(5)) == Delivery::kSent);
  CHECK(hex(again.output()) == hex(pushed(5, "{}")));
  CHECK(again.calls() == Calls{"acked 2 success", "acked 1 success", "acked 3 success"});
}

TEST_CASE("resumption: a PUBACK for what waits for its turn counts") {
  SessionState state;
  for (std::uint16_t id = 1; id <= 3; ++id) state.in_flight.push_back({id, push(id)});
  Device device = resumed_device(state, k5, bytes("21 00 01"));
  static_cast<void>(device.output());
  device.send(puback(3));
  CHECK(device.output().empty());
  device.send(puback(1));
  CHECK(hex(device.output()) == hex(pushed(2, "{}", {}, {}, true)));
  device.send(puback(2));
  CHECK(device.calls() == Calls{"acked 3 success", "acked 1 success", "acked 2 success"});
  CHECK(device.session().phase() == Phase::kActive);
}

TEST_CASE("resumption: what has expired or no longer fits is given up, and the owner told") {
  SessionState state;
  state.subscribed = true;
  state.qos = 1;
  const WallTime now = Device().wall();
  state.in_flight.push_back({1, push(1, "{}", now)});
  state.in_flight.push_back({2, push(2, std::string(200, 'x'), now + 1h)});
  state.in_flight.push_back({3, push(3, "{}", now + 1ms)});
  Device device = resumed_device(state, k5, bytes("27 00 00 00 c8"));
  CHECK(device.calls() == Calls{"dropped 1 expired", "dropped 2 too large", "subscribed"});
  CHECK(hex(device.output()) == hex(connack(true) + pushed(3, "{}", "00 00 00 01", {}, true)));
  CHECK(tokens(device.session().state()) == std::vector<std::uint64_t>{3});
}

TEST_CASE("resumption: what expires while it waits for its turn is given up") {
  SessionState state;
  const WallTime now = Device().wall();
  state.in_flight.push_back({1, push(1, "{}", now + 1h)});
  state.in_flight.push_back({2, push(2, "{}", now + 10s)});
  state.in_flight.push_back({3, push(3, "{}", now + 20s)});
  Device device = resumed_device(state, k5, bytes("21 00 01"));
  static_cast<void>(device.output());
  device.pass(10s);
  device.send(puback(1));
  CHECK(device.calls() == Calls{"acked 1 success", "dropped 2 expired"});
  CHECK(hex(device.output()) == hex(pushed(3, "{}", "00 00 00 0a", {}, true)));
}

TEST_CASE("resumption: a late PUBACK beside that of the copy is let pass, once for each push") {
  SessionState state;
  state.in_flight.push_back({5, push(1)});
  state.in_flight.push_back({6, push(2)});
  Device device = resumed_device(state);
  device.send(puback(5) + puback(5) + puback(6) + puback(6));
  CHECK(device.calls() == Calls{"acked 1 success", "acked 2 success"});
  CHECK(device.session().phase() == Phase::kActive);
  device.send(puback(6));
  CHECK(device.session().phase() == Phase::kClosed);
}

TEST_CASE("[MQTT-3.1.2-4] Clean Start: nothing of the former session is sent") {
  SessionState state;
  state.subscribed = true;
  state.in_flight.push_back({5, push(1)});
  Device device;
  device.send(connect());
  device.accept(state, true);
  CHECK(hex(device.output()) == hex(connack(false)));
  CHECK(device.session().state().in_flight.empty());
  device.send(puback(5));
  CHECK(device.session().phase() == Phase::kClosed);
}

TEST_CASE("callbacks may deliver") {
  struct Eager final : SessionActions {
    std::string& output() override { return out; }
    void on_connect(const ConnectRequest&) override {
      session->accept({}, false, WallTime{}, *this);
    }
    void on_subscribed() override { more(); }
    void on_unsubscribed() override {}
    void on_message(UpTopic, std::string_view) override {}
    void on_acked(std::uint64_t token, ReasonCode) override {
      acked.push_back(token);
      more();
    }
    void on_dropped(std::uint64_t, DropReason) override {}
    void on_end(EndReason, std::string_view) override {}
    void more() {
      while (next <= 5 && session->deliver(push(next), WallTime{}, *this) == Delivery::kSent) {
        ++next;
      }
    }
    Session* session = nullptr;
    std::string out;
    std::uint64_t next = 1;
    std::vector<std::uint64_t> acked;
  };
  const Limits limits{.in_flight = 2};
  Session session(limits, MonoTime{});
  Eager actions;
  actions.session = &session;
  const std::string input = connect() + subscribe(1, {kInbox}) + puback(1) + puback(2) + puback(3) +
                            puback(4) + puback(5);
  CHECK(session.receive(input, MonoTime{}, actions) == input.size());
  CHECK(actions.acked == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
  CHECK(hex(actions.out) ==
        hex(connack() + bytes("90 04 00 01 00 01") + pushed(1, "{}") + pushed(2, "{}") +
            pushed(3, "{}") + pushed(4, "{}") + pushed(5, "{}")));
  CHECK(session.phase() == Phase::kActive);
}

TEST_CASE("a callback that ends the session is the last word") {
  struct Ending final : SessionActions {
    std::string& output() override { return out; }
    void on_connect(const ConnectRequest&) override {
      session->accept({}, false, WallTime{}, *this);
      out.clear();
    }
    void on_subscribed() override {}
    void on_unsubscribed() override {}
    void on_message(UpTopic, std::string_view) override {
      session->disconnect(EndReason::kAdministrator, {}, *this);
    }
    void on_acked(std::uint64_t, ReasonCode) override {}
    void on_dropped(std::uint64_t, DropReason) override {}
    void on_end(EndReason, std::string_view) override { ++ends; }
    Session* session = nullptr;
    std::string out;
    int ends = 0;
  };
  const Limits limits;
  Session session(limits, MonoTime{});
  Ending actions;
  actions.session = &session;
  const std::string message = publish(0x02, kUp + "event", 1, "{}");
  session.receive(connect() + message + message, MonoTime{}, actions);
  CHECK(hex(actions.out) == "e0 01 98");  // [MQTT-3.14.4-1] and no PUBACK after it
  CHECK(actions.ends == 1);
}

}  // namespace kscpush::mqtt

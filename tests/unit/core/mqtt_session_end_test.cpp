// The ends of a connection, and what they mean for the will and the session.
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;

namespace {

constexpr Version k311 = Version::kV311;
constexpr Version k5 = Version::kV5;

std::string connect_with_will(std::string_view encoded = {}, std::string_view expiry = {},
                              std::uint8_t flags = 0x04) {
  ConnectOptions options;
  options.flags = flags;
  if (!expiry.empty()) options.properties = "\x11" + bytes(expiry);
  options.tail = properties(encoded) + str(kUp + "event") + str("gone");
  return connect(options);
}

Device device_with_will(std::string_view encoded = {}, std::string_view expiry = {}) {
  Device device;
  device.send(connect_with_will(encoded, expiry));
  device.accept();
  static_cast<void>(device.output());
  static_cast<void>(device.calls());
  return device;
}

}  // namespace

TEST_CASE("the server's ends: MQTT 5 is told why, 3.1.1 just sees the end") {
  struct Case {
    EndReason reason;
    const char* reference;
    std::string packet;
  };
  const auto with_reference = [](ReasonCode code) {
    return packet(0xE0, static_cast<char>(code) + properties("\x1c" + str("dp-2:13295")));
  };
  for (const Case& c :
       {Case{EndReason::kTakenOver, "", disconnect_packet(ReasonCode::kSessionTakenOver)},
        Case{EndReason::kServerShutdown, "", disconnect_packet(ReasonCode::kServerShuttingDown)},
        Case{EndReason::kServerShutdown, "dp-2:13295",
             with_reference(ReasonCode::kUseAnotherServer)},
        Case{EndReason::kAdministrator, "", disconnect_packet(ReasonCode::kAdministrativeAction)},
        Case{EndReason::kOverloaded, "", disconnect_packet(ReasonCode::kServerBusy)},
        Case{EndReason::kOverloaded, "dp-2:13295", with_reference(ReasonCode::kUseAnotherServer)},
        Case{EndReason::kSlowReader, "", disconnect_packet(ReasonCode::kQuotaExceeded)},
        Case{EndReason::kProtocolError, "", disconnect_packet(ReasonCode::kProtocolError)},
        Case{EndReason::kMalformedPacket, "", disconnect_packet(ReasonCode::kMalformedPacket)},
        Case{EndReason::kPacketTooLarge, "", disconnect_packet(ReasonCode::kPacketTooLarge)},
        Case{EndReason::kRefused, "", disconnect_packet(ReasonCode::kNotAuthorized)},
        Case{EndReason::kDeviceDisconnected, "", ""}, Case{EndReason::kConnectionLost, "", ""}}) {
    CAPTURE(to_string(c.reason));
    const std::string told = "end " + std::string(to_string(c.reason));
    Device device = active_device(k5);
    device.disconnect(c.reason, c.reference);
    CHECK(hex(device.output()) == hex(c.packet));
    CHECK(device.calls() == Calls{told});
    device.disconnect(c.reason);
    device.send(kPingreq);
    CHECK(device.output().empty());
    CHECK(device.calls().empty());
    Device old = active_device(k311);
    old.disconnect(c.reason, c.reference);
    CHECK(old.output().empty());
    CHECK(old.calls() == Calls{told});
  }
}

TEST_CASE("[MQTT-3.14.2-3] no server reference that the device has no room for") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 28")});
  device.disconnect(EndReason::kOverloaded, std::string(40, 'x'));
  CHECK(hex(device.output()) == "e0 01 9c");
}

TEST_CASE("DISCONNECT of the device may change the session's expiry") {
  const auto after = [](std::string_view at_connect, std::string_view at_disconnect) {
    Device device = active_device(k5, 1, {.properties = "\x11" + bytes(at_connect)},
                                  Limits{.session_expiry_max_s = 1000});
    device.send(packet(0xE0, '\0' + properties("\x11" + bytes(at_disconnect))));
    CHECK(device.calls() == Calls{"end device_disconnected"});
    CHECK(device.output().empty());
    return device.session().state().expiry_s;
  };
  CHECK(after("00 00 00 64", "00 00 00 00") == 0);
  CHECK(after("00 00 00 64", "00 00 00 c8") == 200);
  CHECK(after("00 00 00 64", "ff ff ff ff") == 1000);
  CHECK(after("00 00 00 00", "00 00 00 00") == 0);
  Device device = active_device(k5);
  device.send(packet(0xE0, bytes("00 05 11 00 00 00 01")));
  CHECK(device.calls() == Calls{"end protocol_error: DISCONNECT: Session Expiry Interval: raised, "
                                "but 0 in CONNECT"});
  CHECK(hex(device.output().substr(0, 3)) == "e0 42 82");
}

TEST_CASE("[MQTT-3.14.4-3] DISCONNECT 0x00 discards the will") {
  Device device = device_with_will();
  device.send(bytes("e0 00"));
  CHECK(device.calls() == Calls{"end device_disconnected"});
  CHECK(device.session().state().will == nullptr);
  Device old;
  old.send(connect({.version = k311, .flags = 0x06, .tail = str(kUp + "event") + str("gone")}));
  old.accept();
  static_cast<void>(old.calls());
  old.send(bytes("e0 00"));
  CHECK(old.calls() == Calls{"end device_disconnected"});
}

TEST_CASE("[MQTT-3.1.2-8] any other end publishes the will, before the end is told") {
  Device lost = device_with_will();
  lost.lose_connection();
  CHECK(lost.calls() == Calls{"message event gone", "end connection_lost"});
  Device asked = device_with_will();
  asked.send(bytes("e0 01 04"));
  CHECK(asked.calls() ==
        Calls{"message event gone", "end device_disconnected: disconnect with will message"});
  Device wrong = device_with_will();
  wrong.send(bytes("d0 00"));
  CHECK(wrong.calls().size() == 2);
  CHECK(wrong.calls() == Calls{});
  Device taken = device_with_will();
  taken.disconnect(EndReason::kTakenOver);
  CHECK(taken.calls() == Calls{"message event gone", "end taken_over"});
  Device silent = device_with_will();
  silent.pass(90s);
  silent.tick();
  CHECK(silent.calls() == Calls{"message event gone", "end keep_alive_expired"});
  Device old;
  old.send(connect({.version = k311, .flags = 0x06, .tail = str(kUp + "event") + str("gone")}));
  old.accept();
  static_cast<void>(old.calls());
  old.lose_connection();
  CHECK(old.calls() == Calls{"message event gone", "end connection_lost"});
}

TEST_CASE("[MQTT-3.1.2-10] a will is published once") {
  Device device = device_with_will({}, "00 00 00 64");
  device.lose_connection();
  static_cast<void>(device.calls());
  const SessionState state = device.take_state();
  CHECK(state.will == nullptr);
  Device again = resumed_device(state);
  again.lose_connection();
  CHECK(again.calls() == Calls{"end connection_lost"});
}

TEST_CASE("Will Delay Interval: the will stays with the session, which outlives the connection") {
  Device device = device_with_will(bytes("18 00 00 00 0a"), "00 00 00 64");
  device.lose_connection();
  CHECK(device.calls() == Calls{"end connection_lost"});
  const SessionState state = device.take_state();
  REQUIRE(state.will != nullptr);
  CHECK(state.will->topic == UpTopic::kEvent);
  CHECK(state.will->payload == "gone");
  CHECK(state.will->delay_s == 10);
  // [MQTT-3.1.3-9] Back in time: not published.
  Device back = resumed_device(state);
  CHECK(back.calls().empty());
  CHECK(back.session().state().will == nullptr);
  // Back with Clean Start: the session ends, and with it the delay.
  Device clean;
  clean.send(connect());
  static_cast<void>(clean.calls());
  clean.accept(state, true);
  CHECK(clean.calls() == Calls{"message event gone"});
}

TEST_CASE("Will Delay Interval: no longer than the session") {
  Device device = device_with_will(bytes("18 00 00 00 0a"));  // Session Expiry Interval 0
  device.lose_connection();
  CHECK(device.calls() == Calls{"message event gone", "end connection_lost"});
}

TEST_CASE("a will that leaves a live connection with its state is published by the next one") {
  Device device = device_with_will({}, "00 00 00 64");
  const SessionState state = device.take_state();  // takeover: state first, then the end
  device.disconnect(EndReason::kTakenOver);
  CHECK(device.calls() == Calls{"end taken_over"});
  Device next = resumed_device(state);
  CHECK(next.calls() == Calls{"message event gone"});
}

TEST_CASE("the new connection's will takes the place of the old one's") {
  Device device = device_with_will(bytes("18 00 00 00 0a"), "00 00 00 64");
  device.lose_connection();
  Device next;
  next.send(connect_with_will());
  next.accept(device.take_state(), true);
  static_cast<void>(next.calls());
  next.lose_connection();
  CHECK(next.calls() == Calls{"message event gone", "end connection_lost"});
}

}  // namespace kscpush::mqtt

// MQTT 5.0: PINGREQ, DISCONNECT, AUTH, keep alive, the will, and what is no packet of a client.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;

namespace {

// A device with a will "gone" on up/event: the will's properties and those of CONNECT.
Device device_with_will(std::string_view encoded = {}, std::string_view expiry = {}) {
  ConnectOptions options;
  options.flags = 0x04;
  if (!expiry.empty()) options.properties = "\x11" + bytes(expiry);
  options.tail = properties(encoded) + str(kUp + "event") + str("gone");
  return connected_device(options);
}

const std::string kWillMessage = "message event gone";

}  // namespace

TEST_CASE("[MQTT-3.12.4-1] PINGRESP for every PINGREQ") {
  Device device = connected_device({});
  device.send(kPingreq + kPingreq);
  CHECK(device.output() == kPingresp + kPingresp);
  expect_end_5(bytes("c0 01 00"), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.1.2-22] silence of one and a half keep alives ends the connection") {
  Device device = connected_device({.keep_alive_s = 10});
  device.pass(14s);
  device.send(bytes("c0"));  // half a packet is none
  device.pass(999ms);
  device.tick();
  CHECK(device.calls().empty());
  device.pass(1ms);
  device.tick();
  CHECK(hex(device.output()) == "e0 01 8d");
  CHECK(device.calls() == Calls{"end keep_alive_expired"});
}

TEST_CASE("[MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-14] the will is kept, and published once") {
  Device lost = device_with_will();
  CHECK(lost.session().state().will != nullptr);
  lost.lose_connection();
  CHECK(lost.calls() == Calls{kWillMessage, "end connection_lost"});
  Device silent = device_with_will();
  silent.pass(90s);
  silent.tick();
  CHECK(silent.calls() == Calls{kWillMessage, "end keep_alive_expired"});
  Device wrong = device_with_will();
  wrong.send(bytes("d0 00"));
  CHECK(wrong.calls().front() == kWillMessage);
  Device none = connected_device({});
  none.lose_connection();
  CHECK(none.calls() == Calls{"end connection_lost"});
}

TEST_CASE("[MQTT-3.14.4-3] [MQTT-3.1.2-10] DISCONNECT 0x00 drops the will, others do not") {
  for (const char* packet : {"e0 00", "e0 01 00", "e0 02 00 00"}) {
    Device device = device_with_will();
    device.send(bytes(packet));
    CHECK(device.calls() == Calls{"end device_disconnected"});
    CHECK(device.session().state().will == nullptr);
  }
  for (const char* packet : {"e0 01 04", "e0 01 80", "e0 01 83", "e0 01 99"}) {
    Device device = device_with_will();
    device.send(bytes(packet));
    CHECK(device.calls().front() == kWillMessage);
    CHECK(device.session().state().will == nullptr);
  }
}

TEST_CASE("[MQTT-3.1.3-9] back before the Will Delay Interval is over: no will") {
  Device device = device_with_will(bytes("18 00 00 00 0a"), "00 00 00 64");
  device.lose_connection();
  CHECK(device.calls() == Calls{"end connection_lost"});
  Device again = resumed_device(device.take_state());
  CHECK(again.calls().empty());
  CHECK(again.session().state().will == nullptr);
}

TEST_CASE("a Clean Start ends the session, and with it the delay of its will") {
  Device device = device_with_will(bytes("18 00 00 00 0a"), "00 00 00 64");
  device.lose_connection();
  Device clean;
  clean.send(connect());
  static_cast<void>(clean.calls());
  clean.accept(device.take_state(), true);
  CHECK(clean.calls() == Calls{kWillMessage});
}

TEST_CASE("properties of the will are checked as those of PUBLISH") {
  for (const char* encoded :
       {"01 02", "08 00 01 '#'", "23 00 01", "01 01 01 01", "03 00 01 ff", "21 00 05"}) {
    CAPTURE(encoded);
    Device device;
    device.send(connect_with_will(k5, 2, kUp + "event", bytes(encoded)));
    CHECK(device.session().phase() == Session::Phase::kClosed);
    CHECK(device.output().size() == 5);  // CONNACK 0x81 or 0x82
  }
  Device all =
      device_with_will(bytes("01 01 02 00 00 00 05 03 00 01 'j' 08 00 01 'r' 09 00 01 'c'"
                             "26 00 01 'n' 00 01 'v'"));
  all.lose_connection();
  CHECK(all.calls().front() == kWillMessage);
}

TEST_CASE("[MQTT-3.14.0-1] no DISCONNECT before CONNACK") {
  Device device;
  device.send(connect());
  device.disconnect(EndReason::kServerShutdown);
  CHECK(device.output().empty());
  Device wrong;
  wrong.send(bytes("10 ff ff ff ff ff"));
  CHECK(wrong.output().empty());
}

TEST_CASE("[MQTT-3.14.1-1] reserved bits of DISCONNECT: answered with 0x81") {
  for (const char* first : {"e1", "e2", "e8", "ef"}) {
    expect_end_5(bytes(first) + bytes("00"), ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("[MQTT-3.14.2-1] the codes of DISCONNECT, a server's and a client's") {
  for (const EndReason reason :
       {EndReason::kKeepAliveExpired, EndReason::kTakenOver, EndReason::kProtocolError,
        EndReason::kMalformedPacket, EndReason::kPacketTooLarge, EndReason::kRefused,
        EndReason::kServerShutdown, EndReason::kAdministrator, EndReason::kSlowReader,
        EndReason::kOverloaded}) {
    for (const char* reference : {"", "dp-2:13295"}) {
      Device device = active_device();
      device.disconnect(reason, reference);
      Packets packets(device.output());
      const auto told = decode_disconnect(packets.next(), k5, Sender::kServer);
      REQUIRE(told.has_value());  // which refuses a code that a server has not
      CHECK(is_error(told->code));
      CHECK_FALSE(told->properties.has(Property::kSessionExpiry));  // [MQTT-3.14.2-2]
      CHECK(packets.empty());
    }
  }
  for (const char* code : {"01", "8b", "8e", "9c", "a2"}) {
    expect_end_5(bytes("e0 01") + bytes(code), ReasonCode::kProtocolError);
  }
}

TEST_CASE("[MQTT-3.14.2-2] the server sends no Session Expiry Interval, the device's is taken") {
  const auto after = [](const char* before, const char* packet) {
    Device device = connected_device({.flags = 0, .properties = bytes(before)});
    device.send(bytes(packet));
    CHECK(device.session().phase() == Session::Phase::kClosed);
    return device.session().state().expiry_s;
  };
  CHECK(after("11 00 00 00 64", "e0 07 00 05 11 00 00 00 00") == 0);
  CHECK(after("11 00 00 00 64", "e0 07 00 05 11 00 00 00 32") == 50);
  CHECK(after("11 00 00 00 64", "e0 00") == 100);
  expect_end_5(bytes("e0 07 00 05 11 00 00 00 01"), ReasonCode::kProtocolError);  // was 0
  expect_end_5(bytes("e0 06 00 04 1c 00 01 's'"), ReasonCode::kProtocolError);    // a server's
}

TEST_CASE("[MQTT-3.14.2-3] [MQTT-3.14.2-4] DISCONNECT keeps to the device's maximum") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 28")});
  device.disconnect(EndReason::kOverloaded, std::string(60, 'x'));
  CHECK(hex(device.output()) == "e0 01 9c");
  Device small = active_device(k5, 1, {.properties = bytes("27 00 00 00 28")});
  small.send(publish(0, "elsewhere", 0, ""));
  CHECK(hex(small.output()) == "e0 01 87");
}

TEST_CASE("[MQTT-3.14.4-1] [MQTT-3.14.4-2] after DISCONNECT nothing is sent or taken") {
  Device device = active_device();
  device.send(bytes("e0 00") + kPingreq + publish(0, kUp + "event", 0, "{}"));
  CHECK(device.output().empty());
  CHECK(device.calls() == Calls{"end device_disconnected"});
  Device ours = active_device();
  ours.disconnect(EndReason::kAdministrator);
  ours.send(kPingreq);
  CHECK(ours.deliver(push(1)) == Session::Delivery::kNotSubscribed);
  ours.disconnect(EndReason::kServerShutdown);
  CHECK(hex(ours.output()) == "e0 01 98");
}

TEST_CASE("[MQTT-3.15.1-1] [MQTT-3.15.2-1] [MQTT-4.12.0-7] AUTH was never agreed on") {
  expect_end_5(bytes("f1 00"), ReasonCode::kMalformedPacket);
  for (const char* packet : {"f0 00", "f0 02 18 00", "f0 02 00 00", "f0 06 19 04 15 00 01 'm'"}) {
    expect_end_5(bytes(packet), ReasonCode::kProtocolError);
  }
  expect_end_5(bytes("f0 02 87 00"), ReasonCode::kProtocolError);  // not a code of AUTH
  expect_end_5(bytes("f0 01 18"), ReasonCode::kMalformedPacket);
  expect_end_5(bytes("f0 06 18 04 16 00 01 'd'"), ReasonCode::kProtocolError);  // data, no method
}

TEST_CASE("[MQTT-4.12.1-1] [MQTT-4.12.1-2] re-authentication fails, and the connection with it") {
  expect_end_5(bytes("f0 09 19 07 15 00 01 'm' 16 00 00"), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-4.13.1-1] [MQTT-4.13.2-1] packets that no client sends") {
  for (const char* packet : {"20 03 00 00 00", "90 04 00 01 00 00", "b0 04 00 01 00 00", "d0 00"}) {
    expect_end_5(bytes(packet), ReasonCode::kProtocolError);
  }
  expect_end_5(bytes("00 00"), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.2.2-15] a packet above the announced maximum is refused at its header") {
  Device device = active_device(k5, 1, {}, Limits{.packet_bytes = 1000});
  device.send(bytes("32 e6 07"));  // 998 bytes follow: 1001 in all
  CHECK(hex(device.output()).substr(6, 2) == "95");
  Device fits = active_device(k5, 1, {}, Limits{.packet_bytes = 1000});
  fits.send(bytes("32 e5 07"));
  CHECK(fits.calls().empty());
}

TEST_CASE("[MQTT-4.1.0-1] the session stays while its connection does") {
  Device device = active_device();  // Session Expiry Interval 0
  CHECK(device.deliver(push(1)) == Session::Delivery::kSent);
  for (int i = 0; i < 1000; ++i) {
    device.pass(60s);
    device.send(kPingreq);
    device.tick();
  }
  CHECK(device.session().state().subscribed);
  CHECK(device.session().state().in_flight.size() == 1);
}

}  // namespace kscpush::mqtt

// MQTT 3.1.1: packets. What CONNECT and sessions have to say is in v311_session_test.cpp.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Delivery = Session::Delivery;

namespace {

const std::string kEvent = kUp + "event";

std::string pub(std::uint8_t flags, std::string_view topic, std::uint16_t id = 7,
                std::string_view payload = "{}") {
  return publish(flags, topic, id, payload, k311);
}
std::string sub(const std::vector<std::string>& filters, std::uint8_t qos = 1,
                std::uint16_t id = 1) {
  return subscribe(id, filters, qos, k311);
}

}  // namespace

TEST_CASE("[MQTT-1.5.3-1 of 3.1.1] [MQTT-1.5.3-2 of 3.1.1] ill-formed UTF-8 and U+0000 end it") {
  for (const char* bad : {"ff", "c3 28", "ed a0 80", "f8 88 80 80 80", "00", "'a' 00"}) {
    expect_end_311(pub(0, bytes(bad)));
    expect_end_311(sub({bytes(bad)}));  // [MQTT-3.8.3-1 of 3.1.1]
    expect_end_311(unsubscribe(1, {bytes(bad)}, k311));
  }
}

TEST_CASE("[MQTT-1.5.3-3 of 3.1.1] U+FEFF is not stripped off") {
  Device device = active_device(k311, 1);
  device.send(sub({"\xEF\xBB\xBF" + kInbox}));
  CHECK(hex(device.output()) == "90 03 00 01 80");
  expect_end_311(pub(0, "\xEF\xBB\xBF" + kEvent));  // not the device's own topic
}

TEST_CASE("[MQTT-2.2.2-1 of 3.1.1] [MQTT-2.2.2-2 of 3.1.1] reserved flags end the connection") {
  for (unsigned type = 2; type <= 14; ++type) {
    const bool two = type == 6 || type == 8 || type == 10;
    for (unsigned flags = 0; flags < 16; ++flags) {
      if (type == 3 || flags == (two ? 2U : 0U)) continue;
      expect_end_311(std::string{static_cast<char>(type << 4 | flags), '\0'});
    }
  }
}

TEST_CASE("[MQTT-2.3.1-1 of 3.1.1] packet identifiers are not 0") {
  expect_end_311(pub(2, kEvent, 0));
  expect_end_311(sub({kInbox}, 1, 0));
  expect_end_311(unsubscribe(0, {kInbox}, k311));
}

TEST_CASE("[MQTT-2.3.1-4 of 3.1.1] [MQTT-3.3.1-3 of 3.1.1] the server's identifiers, and no DUP") {
  Device device = active_device(k311, 1);
  for (std::uint16_t id = 1; id <= 3; ++id) {
    device.send(pub(0x0A, kEvent, id));  // DUP of what comes in is not that of what goes out
    static_cast<void>(device.output());
    CHECK(device.deliver(push(id)) == Delivery::kSent);
    CHECK(hex(device.output()) == hex(publish(0x02, kInbox, id, "{}", k311)));
  }
}

TEST_CASE("[MQTT-2.3.1-5 of 3.1.1] [MQTT-3.3.1-2 of 3.1.1] QoS 0: no identifier, no DUP") {
  expect_end_311(pub(0x08, kEvent));
  Device device = active_device(k311, 0);
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  CHECK(hex(device.output()) == hex(publish(0, kInbox, 0, "{}", k311)));
}

TEST_CASE("[MQTT-2.3.1-6 of 3.1.1] [MQTT-3.3.4-1 of 3.1.1] answers by the QoS of the PUBLISH") {
  Device device = active_device(k311, 1);
  device.send(pub(0, kEvent));
  CHECK(device.output().empty());
  device.send(pub(2, kEvent, 0xBEEF));
  CHECK(hex(device.output()) == "40 02 be ef");
  CHECK(device.calls() == Calls{"message event {}", "message event {}"});
}

TEST_CASE("[MQTT-2.3.1-7 of 3.1.1] [MQTT-3.8.4-2 of 3.1.1] SUBACK, UNSUBACK with the identifier") {
  Device device = connected_device({.version = k311});
  device.send(sub({kInbox}, 1, 0x0102) + unsubscribe(0x0304, {kInbox}, k311));
  CHECK(hex(device.output()) == "90 03 01 02 01 b0 02 03 04");
}

TEST_CASE("[MQTT-3.3.1-4 of 3.1.1] [MQTT-3.3.2-1 of 3.1.1] [MQTT-3.3.2-2 of 3.1.1] bad PUBLISH") {
  expect_end_311(pub(6, kEvent));
  expect_end_311(bytes("30 00"));
  expect_end_311(bytes("30 03 00 09 'a'"));
  expect_end_311(pub(0, "ksc/v1/devices/+/up/event"));
  expect_end_311(pub(0, "#"));
}

TEST_CASE("[MQTT-4.7.0-1 of 3.1.1] topics and filters have at least one character") {
  expect_end_311(pub(0, ""));
  expect_end_311(sub({""}));
  expect_end_311(unsubscribe(1, {""}, k311));
}

TEST_CASE("[MQTT-4.7.3-1 of 3.1.1] [MQTT-4.7.3-2 of 3.1.1] no wildcards in topic names") {
  for (const char* topic : {"a/#", "+", "a+b", "#"}) expect_end_311(pub(2, topic));
}

TEST_CASE("[MQTT-3.3.1-9 of 3.1.1] [MQTT-3.3.2-3 of 3.1.1] a push: not retained, to the filter") {
  Device device = active_device(k311, 1);
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  const std::string sent = device.output();
  CHECK((sent[0] & 1) == 0);
  CHECK(sent.substr(4, kInbox.size()) == kInbox);
}

TEST_CASE("[MQTT-3.3.1-12 of 3.1.1] RETAIN 0 stores nothing, RETAIN 1 is not authorized") {
  Device device = active_device(k311, 1);
  device.send(pub(2, kEvent));
  CHECK(hex(device.output()) == "40 02 00 07");
  expect_end_311(pub(3, kEvent));
  expect_end_311(pub(1, kEvent));
}

TEST_CASE("[MQTT-3.3.5-2 of 3.1.1] what is not authorized ends the connection") {
  for (const std::string& topic :
       {std::string("x"), kInbox, kUp + "other", std::string("ksc/v1/devices/pc-2/up/event")}) {
    expect_end_311(pub(0, topic));
    expect_end_311(pub(2, topic));
  }
  expect_end_311(pub(4, kEvent));  // QoS 2
}

TEST_CASE("[MQTT-3.6.1-1 of 3.1.1] PUBREL: its flags, and that nothing was received at QoS 2") {
  for (const char* first : {"60", "61", "63", "6a", "62"}) {
    expect_end_311(bytes(first) + bytes("02 00 01"));
  }
  expect_end_311(bytes("50 02 00 01"));
  expect_end_311(bytes("70 02 00 01"));
}

TEST_CASE("[MQTT-3.8.1-1 of 3.1.1] [MQTT-3.10.1-1 of 3.1.1] flags of SUBSCRIBE and UNSUBSCRIBE") {
  for (const char* first : {"80", "81", "83", "86", "a0", "a1", "a3", "a6"}) {
    expect_end_311(bytes(first) + bytes("06 00 01 00 01 'a' 00"));
  }
}

TEST_CASE("[MQTT-3.8.3-1 of 3.1.1] [MQTT-3.10.3-1 of 3.1.1] topic filters are strings") {
  for (const char* bad : {"ff", "c3", "c0 80"}) {
    expect_end_311(sub({bytes(bad)}));
    expect_end_311(unsubscribe(1, {bytes(bad)}, k311));
  }
}

TEST_CASE(
    "[MQTT-3.8.3-2 of 3.1.1] [MQTT-4.7.2-1 of 3.1.1] wildcards are rejected, whatever they would "
    "match") {
  Device device = connected_device({.version = k311});
  device.send(
      sub({"#", "+", "ksc/v1/devices/+/push", "ksc/#", "$SYS/#", "+/v1/devices/pc-1/push"}));
  CHECK(hex(device.output()) == "90 08 00 01 80 80 80 80 80 80");
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
}

TEST_CASE("[MQTT-4.7.1-1 of 3.1.1] [MQTT-4.7.1-2 of 3.1.1] wildcards in the wrong place end it") {
  for (const char* filter : {"a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c"}) {
    expect_end_311(sub({filter}));
    expect_end_311(unsubscribe(1, {filter}, k311));
  }
}

TEST_CASE("[MQTT-3.8.3-3 of 3.1.1] [MQTT-3.10.3-2 of 3.1.1] at least one topic filter") {
  expect_end_311(bytes("82 02 00 01"));
  expect_end_311(bytes("a2 02 00 01"));
}

TEST_CASE("[MQTT-3.8.3-4 of 3.1.1] reserved bits of the requested QoS") {
  for (const std::uint8_t qos : std::initializer_list<std::uint8_t>{3, 4, 8, 0x10, 0x41, 0x80}) {
    expect_end_311(sub({kInbox}, qos));
  }
}

TEST_CASE("[MQTT-3.8.4-1 of 3.1.1] [MQTT-3.8.4-4 of 3.1.1] [MQTT-3.8.4-5 of 3.1.1] one SUBACK") {
  Device device = connected_device({.version = k311});
  device.send(sub({"x", kInbox, "ksc/v1/devices/pc-2/push", kInbox}, 2));
  CHECK(hex(device.output()) == "90 06 00 01 80 01 80 01");
  CHECK(device.calls() == Calls{"subscribed"});
}

TEST_CASE("[MQTT-3.8.4-3 of 3.1.1] [MQTT-3.3.5-1 of 3.1.1] subscribing again replaces") {
  Device device = active_device(k311, 1);
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  static_cast<void>(device.output());
  device.send(sub({kInbox}, 0, 5));
  CHECK(hex(device.output()) == "90 03 00 05 00");
  CHECK(device.deliver(push(2)) == Delivery::kSent);  // once, at the QoS that counts now
  CHECK(hex(device.output()) == hex(publish(0, kInbox, 0, "{}", k311)));
  device.send(puback(1));
  CHECK(device.calls() == Calls{"acked 1 success"});
}

TEST_CASE("[MQTT-3.10.4-1 of 3.1.1] [MQTT-3.10.4-2 of 3.1.1] [MQTT-3.10.4-3 of 3.1.1] UNSUBACK") {
  Device device = active_device(k311, 1);
  device.send(unsubscribe(1, {"x"}, k311) + unsubscribe(2, {"x", kInbox, "y"}, k311));
  CHECK(hex(device.output()) == "b0 02 00 01 b0 02 00 02");
  CHECK(device.deliver(push(1)) == Delivery::kNotSubscribed);
}

TEST_CASE("[MQTT-3.10.4-4 of 3.1.1] filters are compared character by character") {
  Device device = active_device(k311, 1);
  device.send(unsubscribe(1, {kInbox + "/", "KSC" + kInbox.substr(3), "#"}, k311));
  CHECK(device.deliver(push(1)) == Delivery::kSent);
}

TEST_CASE("[MQTT-3.10.4-5 of 3.1.1] UNSUBSCRIBE: what was begun is completed") {
  Device device = active_device(k311, 1, {.flags = 0});
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  device.send(unsubscribe(1, {kInbox}, k311));
  device.lose_connection();
  Device again = resumed_device(device.take_state(), k311);
  CHECK(hex(again.output()) == hex(bytes("20 02 01 00") + publish(0x0A, kInbox, 1, "{}", k311)));
}

TEST_CASE("[MQTT-3.12.4-1 of 3.1.1] PINGRESP for every PINGREQ") {
  Device device = connected_device({.version = k311});
  device.send(kPingreq + kPingreq);
  CHECK(device.output() == kPingresp + kPingresp);
}

TEST_CASE("[MQTT-3.14.4-1 of 3.1.1] [MQTT-3.14.4-2 of 3.1.1] DISCONNECT: the end, and no will") {
  Device device;
  device.send(connect_with_will(k311, 2, kEvent));
  device.accept();
  static_cast<void>(device.calls());
  static_cast<void>(device.output());
  device.send(bytes("e0 00") + kPingreq + pub(0, kEvent));
  CHECK(device.calls() == Calls{"end device_disconnected"});
  CHECK(device.output().empty());
  expect_end_311(bytes("e0 01 00"));
}

TEST_CASE("[MQTT-4.8.0-1 of 3.1.1] protocol errors end the connection") {
  for (const char* packet :
       {"20 02 00 00", "90 03 00 01 00", "b0 02 00 01", "d0 00", "f0 00", "00 00", "40 02 00 01",
        "40 00", "40 03 00 01 00", "40 02 00 00", "c0 01 00", "c0 80 00", "c0 ff ff ff ff 01"}) {
    expect_end_311(bytes(packet));
  }
}

}  // namespace kscpush::mqtt

// PUBLISH, SUBSCRIBE, UNSUBSCRIBE and what else a connected device sends.
#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Phase = Session::Phase;

namespace {

constexpr Version k311 = Version::kV311;
constexpr Version k5 = Version::kV5;

const std::string kPublishReason =
    "a device may publish to ksc/v1/devices/ID/up/{result,state,sync,event}";

// The device sends PACKET and is disconnected for it.
void expect_end(std::string_view packet, ReasonCode code, EndReason reason,
                std::string_view detail) {
  CAPTURE(hex(packet));
  const std::string told = "end " + std::string(to_string(reason)) + ": " + std::string(detail);
  Device device = active_device(k5);
  device.send(packet);
  CHECK(hex(device.output()) == hex(disconnect_packet(code, detail)));
  CHECK(device.calls() == Calls{told});
  CHECK(device.session().phase() == Phase::kClosed);
}

void expect_end_311(std::string_view packet, EndReason reason, std::string_view detail) {
  CAPTURE(hex(packet));
  Device device = active_device(k311);
  device.send(packet);
  CHECK(device.output().empty());
  CHECK(device.calls() ==
        Calls{"end " + std::string(to_string(reason)) + ": " + std::string(detail)});
}

std::string suback_reason() {
  return "\x1f" + str("a device may subscribe to ksc/v1/devices/ID/push");
}

}  // namespace

TEST_CASE("[MQTT-3.12.4-1] PINGREQ gets PINGRESP") {
  for (const Version version : {k311, k5}) {
    Device device = active_device(version);
    device.send(kPingreq + kPingreq);
    CHECK(device.output() == kPingresp + kPingresp);
    CHECK(device.calls().empty());
  }
}

TEST_CASE("[MQTT-3.3.4-1] PUBLISH below up/ is handed on, then acknowledged at QoS 1") {
  for (const Version version : {k311, k5}) {
    Device device = active_device(version);
    device.send(publish(0x02, kUp + "result", 0x1234, "{\"id\":1}", version));
    CHECK(hex(device.output()) == "40 02 12 34");
    CHECK(device.calls() == Calls{"message result {\"id\":1}"});
    device.send(publish(0x00, kUp + "state", 0, "s", version) +
                publish(0x00, kUp + "sync", 0, "", version) +
                publish(0x00, kUp + "event", 0, "e", version));
    CHECK(device.output().empty());
    CHECK(device.calls() == Calls{"message state s", "message sync ", "message event e"});
  }
}

TEST_CASE("[MQTT-4.3.2-5] after PUBACK the same packet identifier is a new message") {
  Device device = active_device();
  device.send(publish(0x02, kUp + "event", 1, "a") + publish(0x0A, kUp + "event", 1, "a"));
  CHECK(hex(device.output()) == "40 02 00 01 40 02 00 01");
  CHECK(device.calls() == Calls{"message event a", "message event a"});
}

TEST_CASE("PUBLISH elsewhere at QoS 1: MQTT 5 is told and stays") {
  Device device = active_device(k5);
  for (const std::string& topic : {std::string("ksc/v1/devices/pc-2/up/event"), kUp + "other",
                                   kInbox, std::string("x"), std::string("$SYS/broker")}) {
    CAPTURE(topic);
    device.send(publish(0x02, topic, 9, "{}"));
    CHECK(hex(device.output()) ==
          hex(packet(0x40, bytes("00 09 87") + properties("\x1f" + str(kPublishReason)))));
  }
  CHECK(device.calls().empty());
  device.send(kPingreq);
  CHECK(device.output() == kPingresp);
}

TEST_CASE("PUBLISH elsewhere at QoS 0 has no answer but DISCONNECT") {
  expect_end(publish(0x00, "x", 0, "{}"), ReasonCode::kNotAuthorized, EndReason::kProtocolError,
             "PUBLISH: " + kPublishReason);
}

TEST_CASE("[MQTT-3.3.5-2 of 3.1.1] PUBLISH elsewhere closes the connection") {
  for (const std::uint8_t flags : {std::uint8_t{0x00}, std::uint8_t{0x02}}) {
    expect_end_311(publish(flags, "x", 1, "{}", k311), EndReason::kProtocolError,
                   "PUBLISH: " + kPublishReason);
  }
}

TEST_CASE("PUBLISH with what CONNACK said is not there") {
  const std::string topic = kUp + "event";
  expect_end(publish(0x04, topic, 1, "{}"), ReasonCode::kQosNotSupported, EndReason::kProtocolError,
             "PUBLISH: QoS 2 is not supported");
  expect_end(publish(0x01, topic, 0, "{}"), ReasonCode::kRetainNotSupported,
             EndReason::kProtocolError, "PUBLISH: retained messages are not supported");
  expect_end(publish(0x00, topic, 0, "{}", k5, bytes("23 00 05")), ReasonCode::kTopicAliasInvalid,
             EndReason::kProtocolError, "PUBLISH: Topic Alias: above the maximum");
  expect_end(publish(0x00, "", 0, "{}", k5, bytes("23 00 05")), ReasonCode::kTopicAliasInvalid,
             EndReason::kProtocolError, "PUBLISH: Topic Alias: above the maximum");
  expect_end_311(publish(0x04, topic, 1, "{}", k311), EndReason::kProtocolError,
                 "PUBLISH: QoS 2 is not supported");
  expect_end_311(publish(0x01, topic, 0, "{}", k311), EndReason::kProtocolError,
                 "PUBLISH: retained messages are not supported");
}

TEST_CASE("Payload Format Indicator 1: the payload is UTF-8 or it is refused") {
  Device device = active_device();
  device.send(publish(0x02, kUp + "event", 3, "\xC3\xA4", k5, bytes("01 01")));
  CHECK(hex(device.output()) == "40 02 00 03");
  CHECK(device.calls() == Calls{"message event \xC3\xA4"});
  device.send(publish(0x02, kUp + "event", 4, "\xff", k5, bytes("01 01")));
  CHECK(
      hex(device.output()) ==
      hex(packet(0x40, bytes("00 04 99") + properties("\x1f" + str("the payload is not UTF-8")))));
  CHECK(device.calls().empty());
  device.send(publish(0x02, kUp + "event", 5, "\xff", k5, bytes("01 00")));
  CHECK(device.calls() == Calls{"message event \xff"});
  expect_end(publish(0x00, kUp + "event", 0, "\xff", k5, bytes("01 01")),
             ReasonCode::kPayloadFormatInvalid, EndReason::kProtocolError,
             "PUBLISH: the payload is not UTF-8");
}

TEST_CASE("[MQTT-3.1.2-29] Request Problem Information 0: PUBACK and SUBACK without a reason") {
  Device device = active_device(k5, 1, {.properties = bytes("17 00")});
  device.send(publish(0x02, "x", 9, "{}"));
  CHECK(hex(device.output()) == "40 03 00 09 87");
  device.send(subscribe(1, {"x"}));
  CHECK(hex(device.output()) == "90 04 00 01 00 87");
  device.send(bytes("d0 00"));
  CHECK(hex(device.output()) == "e0 01 82");
}

TEST_CASE("[MQTT-3.4.2-2] no reason string that the device has no room for") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 28")});
  device.send(publish(0x02, "x", 9, "{}"));
  CHECK(hex(device.output()) == "40 03 00 09 87");
  device.send(publish(0x00, "x", 0, "{}"));
  CHECK(hex(device.output()) == "e0 01 87");
}

TEST_CASE("packets that no client may send") {
  struct Case {
    std::string packet;
    ReasonCode code;
    EndReason reason;
    const char* detail;
  };
  const auto error = ReasonCode::kProtocolError;
  const auto ends = EndReason::kProtocolError;
  for (const Case& c :
       {Case{bytes("d0 00"), error, ends, "PINGRESP: not a packet of a client"},
        Case{bytes("20 03 00 00 00"), error, ends, "CONNACK: not a packet of a client"},
        Case{bytes("90 04 00 01 00 00"), error, ends, "SUBACK: not a packet of a client"},
        Case{bytes("b0 04 00 01 00 00"), error, ends, "UNSUBACK: not a packet of a client"},
        Case{bytes("50 02 00 01"), error, ends, "PUBREC: there is no QoS 2"},
        Case{bytes("62 02 00 01"), error, ends, "PUBREL: there is no QoS 2"},
        Case{bytes("70 02 00 01"), error, ends, "PUBCOMP: there is no QoS 2"},
        Case{bytes("f0 00"), error, ends, "AUTH: CONNECT had no Authentication Method"},
        Case{bytes("40 02 00 01"), error, ends,
             "PUBACK: no PUBLISH with that packet identifier is unanswered"}}) {
    expect_end(c.packet, c.code, c.reason, c.detail);
  }
  expect_end_311(bytes("d0 00"), ends, "PINGRESP: not a packet of a client");
  expect_end_311(bytes("62 02 00 01"), ends, "PUBREL: there is no QoS 2");
  expect_end_311(bytes("40 02 00 01"), ends,
                 "PUBACK: no PUBLISH with that packet identifier is unanswered");
  expect_end_311(bytes("f0 00"), EndReason::kMalformedPacket, "AUTH: packet type 15 in MQTT 3.1.1");
}

TEST_CASE("[MQTT-4.13.1-1] malformed packets end the connection") {
  struct Case {
    const char* packet;
    const char* detail;
  };
  for (const Case& c :
       {Case{"c1 00", "PINGREQ: reserved flags in the fixed header"},
        Case{"c0 01 00", "PINGREQ: bytes after the fixed header"},
        Case{"80 00", "SUBSCRIBE: reserved flags in the fixed header"},
        Case{"00 00", "reserved: packet type 0"},
        Case{"c0 80 00", "PINGREQ: remaining length in more bytes than needed"},
        Case{"30 ff ff ff ff 01", "PUBLISH: remaining length of more than four bytes"},
        Case{"36 05 00 01 't' 00 01", "PUBLISH: PUBLISH with QoS 3"},
        Case{"38 03 00 01 't'", "PUBLISH: PUBLISH with DUP and QoS 0"},
        Case{"40 01 00", "PUBACK: the packet ends within a field"}}) {
    expect_end(bytes(c.packet), ReasonCode::kMalformedPacket, EndReason::kMalformedPacket,
               c.detail);
    expect_end_311(bytes(c.packet), EndReason::kMalformedPacket, c.detail);
  }
}

TEST_CASE("a packet above the announced Maximum Packet Size is refused at its header") {
  Device device = active_device(k5, 1, {}, Limits{.packet_bytes = 100});
  device.send(bytes("30 63"));
  CHECK(hex(device.output()) ==
        hex(disconnect_packet(ReasonCode::kPacketTooLarge, "PUBLISH: packet larger than allowed")));
  CHECK(device.calls() == Calls{"end packet_too_large: PUBLISH: packet larger than allowed"});
}

TEST_CASE("[MQTT-4.13.1-1] nothing behind the error is looked at") {
  Device device = active_device();
  device.send(bytes("d0 00") + publish(0x00, kUp + "event", 0, "{}") + kPingreq);
  CHECK(device.calls() == Calls{"end protocol_error: PINGRESP: not a packet of a client"});
}

TEST_CASE("[MQTT-3.8.4-1] the inbox is granted at the lesser of 1 and what was asked for") {
  for (const Version version : {k311, k5}) {
    for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
      Device device;
      device.send(connect({.version = version}));
      device.accept();
      static_cast<void>(device.output());
      static_cast<void>(device.calls());
      device.send(subscribe(5, {kInbox}, qos, version));
      const std::string code(1, qos == 0 ? '\0' : '\1');
      CHECK(hex(device.output()) ==
            hex(packet(0x90, u16(5) + (version == k5 ? properties("") : "") + code)));
      CHECK(device.calls() == Calls{"subscribed"});
      CHECK(device.session().state().qos == (qos == 0 ? 0 : 1));
    }
  }
}

TEST_CASE("[MQTT-3.8.4-3] subscribing again replaces the subscription") {
  Device device = active_device(k5, 1);
  device.send(subscribe(6, {kInbox}, 0));
  CHECK(hex(device.output()) == "90 04 00 06 00 00");
  CHECK(device.calls().empty());  // it was subscribed all along
  CHECK(device.session().state().qos == 0);
}

TEST_CASE("[MQTT-3.9.3-1] SUBACK has one code for each filter, in order") {
  const std::vector<std::string> filters{"other", kInbox, "a", "ksc/v1/devices/pc-2/push", "b"};
  Device device;
  device.send(connect());
  device.accept();
  static_cast<void>(device.output());
  static_cast<void>(device.calls());
  device.send(subscribe(5, filters));
  CHECK(hex(device.output()) ==
        hex(packet(0x90, u16(5) + properties(suback_reason()) + bytes("87 01 87 87 87"))));
  CHECK(device.calls() == Calls{"subscribed"});
  Device old;
  old.send(connect({.version = k311}));
  old.accept();
  static_cast<void>(old.output());
  old.send(subscribe(5, filters, 1, k311) + subscribe(6, {"#", "$share/g/a"}, 1, k311));
  CHECK(hex(old.output()) == "90 07 00 05 80 01 80 80 80 90 04 00 06 80 80");
}

TEST_CASE("SUBSCRIBE with what CONNACK said is not there is a protocol error") {
  const auto reason = EndReason::kProtocolError;
  for (const char* filter : {"#", "ksc/v1/devices/+/push", "ksc/v1/devices/pc-1/#"}) {
    expect_end(subscribe(5, {kInbox, filter}), ReasonCode::kWildcardSubscriptionsNotSupported,
               reason, "SUBSCRIBE: wildcards are not available");
  }
  expect_end(subscribe(5, {"$share/g/" + kInbox}), ReasonCode::kSharedSubscriptionsNotSupported,
             reason, "SUBSCRIBE: shared subscriptions are not available");
  expect_end(packet(0x82, u16(5) + properties(bytes("0b 01")) + str(kInbox) + '\1'),
             ReasonCode::kSubscriptionIdentifiersNotSupported, reason,
             "SUBSCRIBE: subscription identifiers are not available");
}

TEST_CASE("a SUBACK that the device has no room for ends the connection") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 28")});
  device.send(subscribe(5, std::vector<std::string>(35, "x")));
  CHECK(device.output().size() == 40);
  device.send(subscribe(5, std::vector<std::string>(36, "x")));
  CHECK(hex(device.output()) == "e0 01 95");
  CHECK(device.calls() == Calls{"end packet_too_large: SUBACK: above the device's Maximum Packet "
                                "Size"});
}

TEST_CASE("[MQTT-3.10.4-4] UNSUBSCRIBE: what existed is removed, the rest is said not to exist") {
  Device device = active_device(k5);
  device.send(unsubscribe(8, {"x", kInbox, kInbox, "#"}));
  CHECK(hex(device.output()) == "b0 07 00 08 00 11 00 11 11");
  CHECK(device.calls() == Calls{"unsubscribed"});
  CHECK_FALSE(device.session().state().subscribed);
  device.send(unsubscribe(9, {kInbox}));
  CHECK(hex(device.output()) == "b0 04 00 09 00 11");
  CHECK(device.calls().empty());
  Device old = active_device(k311);
  old.send(unsubscribe(8, {"x"}, k311) + unsubscribe(9, {kInbox}, k311));
  CHECK(hex(old.output()) == "b0 02 00 08 b0 02 00 09");
  CHECK(old.calls() == Calls{"unsubscribed"});
}

}  // namespace kscpush::mqtt

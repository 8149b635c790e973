// MQTT 5.0: SUBSCRIBE, UNSUBSCRIBE, their acknowledgements, and topic filters.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Delivery = Session::Delivery;

namespace {

Suback answer_of(Device& device) {
  static std::string kept;  // the packet is views of it
  kept = device.output();
  const auto frame = next_frame(kept, kMaxPacketBytes);
  REQUIRE(frame.has_value());
  REQUIRE(frame->has_value());
  CHECK((*frame)->size == kept.size());
  const auto packet = decode_suback(**frame, k5);
  REQUIRE(packet.has_value());
  return *packet;
}

// A filter in no version well-formed, one only malformed in MQTT 5.
const std::vector<std::string> kIllFormed{"", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c", "a/b+"};
const std::vector<std::string> kIllFormedShares{
    "$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a", "$share/g/a#"};

}  // namespace

TEST_CASE("[MQTT-3.8.1-1] [MQTT-3.10.1-1] the flags of SUBSCRIBE and UNSUBSCRIBE are 0010") {
  for (const char* first : {"80", "81", "83", "8a", "a0", "a1", "a3", "aa"}) {
    expect_end_5(bytes(first) + bytes("0a 00 01 00 00 01 'a' 00"), ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("[MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT-4.7.3-3] topic filters are strings") {
  for (const char* bad : {"ff", "c3", "ed b0 80", "'a' 00"}) {
    expect_end_5(subscribe(1, {bytes(bad)}), ReasonCode::kMalformedPacket);
    expect_end_5(unsubscribe(1, {bytes(bad)}), ReasonCode::kMalformedPacket);
  }
  // Longer than the packet; the two bytes before it cannot say more than 65535.
  expect_end_5(packet(0x82, bytes("00 01 00 ff ff 'a' 00")), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.8.3-2] [MQTT-3.10.3-2] at least one topic filter") {
  expect_end_5(bytes("82 03 00 01 00"), ReasonCode::kProtocolError);
  expect_end_5(bytes("a2 03 00 01 00"), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.8.3-5] [MQTT-3.8.3-4] options that there are not") {
  expect_end_5(subscribe(1, {kInbox}, 0x41), ReasonCode::kMalformedPacket);
  expect_end_5(subscribe(1, {kInbox}, 0x81), ReasonCode::kMalformedPacket);
  expect_end_5(subscribe(1, {kInbox}, 0x03), ReasonCode::kProtocolError);
  expect_end_5(subscribe(1, {kInbox}, 0x31), ReasonCode::kProtocolError);  // Retain Handling 3
  expect_end_5(subscribe(1, {"$share/g/" + kInbox}, 0x05), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.8.3-3] No Local and the retain options may be asked for") {
  for (const std::uint8_t options : std::initializer_list<std::uint8_t>{0x05, 0x09, 0x11, 0x21}) {
    Device device = connected_device({});
    device.send(subscribe(1, {kInbox}, options));
    CHECK(hex(device.output()) == "90 04 00 01 00 01");
    CHECK(device.calls() == Calls{"subscribed"});
  }
}

TEST_CASE("[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] SUBACK with the identifier of SUBSCRIBE") {
  Device device = connected_device({});
  for (const std::uint16_t id : std::initializer_list<std::uint16_t>{1, 0x1234, 65535}) {
    device.send(subscribe(id, {kInbox}));
    CHECK(answer_of(device).packet_id == id);
    device.send(unsubscribe(id, {kInbox}));
    const Suback removed = answer_of(device);
    CHECK(removed.type == PacketType::kUnsuback);
    CHECK(removed.packet_id == id);
  }
}

TEST_CASE("[MQTT-3.2.2-10] [MQTT-3.8.4-7] [MQTT-3.9.3-2] QoS 2 is granted as 1, and said so") {
  for (const std::uint8_t qos : std::initializer_list<std::uint8_t>{0, 1, 2}) {
    Device device = connected_device({});
    device.send(subscribe(1, {kInbox}, qos));
    CHECK(hex(answer_of(device).codes) == (qos == 0 ? "00" : "01"));
  }
}

TEST_CASE("[MQTT-3.8.4-8] [MQTT-4.8.2-3] pushes come at the QoS that was granted") {
  for (const std::uint8_t qos : std::initializer_list<std::uint8_t>{0, 1, 2}) {
    Device device = active_device(k5, qos);
    CHECK(device.deliver(push(1)) == Delivery::kSent);
    CHECK((device.output()[0] >> 1 & 3) == (qos == 0 ? 0 : 1));
  }
}

TEST_CASE("[MQTT-3.8.4-3] [MQTT-3.8.4-4] subscribing again replaces, and loses nothing") {
  Device device = active_device(k5, 1);
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  static_cast<void>(device.output());
  device.send(subscribe(2, {kInbox}, 0));
  CHECK(hex(answer_of(device).codes) == "00");
  CHECK(device.deliver(push(2)) == Delivery::kSent);
  CHECK(hex(device.output().substr(0, 1)) == "30");
  device.send(puback(1));  // what was sent before is still to be acknowledged
  CHECK(device.calls() == Calls{"acked 1 success"});
}

TEST_CASE(
    "[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-3.3.4-2] one code for each, in order") {
  Device device = connected_device({});
  device.send(subscribe(1, {"x", kInbox, "ksc/v1/devices/pc-2/push", kInbox, kUp + "event"}));
  CHECK(hex(answer_of(device).codes) == "87 01 87 01 87");
  CHECK(device.calls() == Calls{"subscribed"});
  CHECK(device.deliver(push(1)) == Delivery::kSent);  // once, however often it was asked for
  Packets packets(device.output());
  CHECK(packets.next().type == PacketType::kPublish);
  CHECK(packets.empty());
}

TEST_CASE("[MQTT-3.9.2-1] [MQTT-3.9.2-2] SUBACK's Reason String: only if wanted and small enough") {
  const auto size = [](const char* asked) {
    Device device = connected_device({.properties = bytes(asked)});
    device.send(subscribe(1, {"x"}));
    return device.output().size();
  };
  CHECK(size("") > 50);
  CHECK(size("17 00") == 6);
  CHECK(size("27 00 00 00 28") == 6);
}

TEST_CASE("[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] ill-formed filters are malformed packets") {
  for (const std::string& filter : kIllFormed) {
    expect_end_5(subscribe(1, {filter}), ReasonCode::kMalformedPacket);
    expect_end_5(subscribe(1, {kInbox, filter}), ReasonCode::kMalformedPacket);
    expect_end_5(unsubscribe(1, {filter}), ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("[MQTT-4.8.2-1] [MQTT-4.8.2-2] ill-formed shared subscriptions are malformed packets") {
  for (const std::string& filter : kIllFormedShares) {
    expect_end_5(subscribe(1, {filter}), ReasonCode::kMalformedPacket);
    expect_end_5(unsubscribe(1, {filter}), ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("[MQTT-4.7.2-1] wildcards, shares and identifiers, announced as unavailable, end it") {
  for (const char* filter : {"#", "+", "+/v1/devices/pc-1/push", "ksc/v1/devices/+/push",
                             "ksc/v1/devices/pc-1/#", "$SYS/#"}) {
    expect_end_5(subscribe(1, {filter}), ReasonCode::kWildcardSubscriptionsNotSupported);
  }
  for (const std::string& filter : {"$share/g/" + kInbox, std::string("$share/g/#")}) {
    expect_end_5(subscribe(1, {filter}), ReasonCode::kSharedSubscriptionsNotSupported);
  }
  expect_end_5(packet(0x82, bytes("00 01 02 0b 01") + str(kInbox) + '\1'),
               ReasonCode::kSubscriptionIdentifiersNotSupported);
  expect_end_5(packet(0x82, bytes("00 01 02 0b 00") + str(kInbox) + '\1'),
               ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.10.4-1] [MQTT-3.10.4-2] UNSUBSCRIBE is compared character by character") {
  Device device = active_device();
  device.send(unsubscribe(1, {kInbox + "/", "KSC" + kInbox.substr(3), kInbox.substr(1), "#"}));
  CHECK(hex(answer_of(device).codes) == "11 11 11 11");
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  static_cast<void>(device.output());
  device.send(unsubscribe(2, {kInbox}));
  CHECK(hex(answer_of(device).codes) == "00");
  CHECK(device.deliver(push(2)) == Delivery::kNotSubscribed);
}

TEST_CASE("[MQTT-3.10.4-3] UNSUBSCRIBE: what was begun is completed") {
  Device device = active_device(k5, 1, {.properties = bytes("11 00 00 00 64")});
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  device.send(unsubscribe(1, {kInbox}));
  static_cast<void>(device.output());
  device.lose_connection();
  Device again = resumed_device(device.take_state());
  Packets packets(again.output());
  CHECK(packets.next().type == PacketType::kConnack);
  CHECK(packets.next().type == PacketType::kPublish);
  static_cast<void>(again.calls());
  again.send(puback(1));
  CHECK(again.calls() == Calls{"acked 1 success"});
}

TEST_CASE(
    "[MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] UNSUBACK") {
  Device device = active_device();
  device.send(unsubscribe(0x0102, {"x", kInbox, kInbox, "$share/g/x"}));
  const Suback answer = answer_of(device);
  CHECK(answer.type == PacketType::kUnsuback);
  CHECK(answer.packet_id == 0x0102);
  CHECK(hex(answer.codes) == "11 00 11 11");
}

TEST_CASE(
    "[MQTT-3.11.2-1] [MQTT-3.11.2-2] UNSUBACK has neither Reason String nor user properties") {
  Device device = active_device();
  device.send(unsubscribe(1, {"x"}));
  CHECK(answer_of(device).properties.empty());
}

TEST_CASE("[MQTT-3.1.2-24] a SUBACK without room in the device's maximum is not sent") {
  Device device = connected_device({.properties = bytes("27 00 00 00 28")});
  device.send(subscribe(1, std::vector<std::string>(100, "x")));
  CHECK(hex(device.output()) == "e0 01 95");
}

}  // namespace kscpush::mqtt

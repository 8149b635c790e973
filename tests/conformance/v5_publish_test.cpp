// MQTT 5.0: PUBLISH and its acknowledgements, both ways.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Delivery = Session::Delivery;

namespace {

const std::string kEvent = kUp + "event";

// The one PUBLISH that the server has sent.
struct Sent {
  std::string bytes;
  Publish packet;
};
Sent sent_publish(Device& device) {
  Sent sent{device.output(), {}};
  const auto frame = next_frame(sent.bytes, kMaxPacketBytes);
  REQUIRE(frame.has_value());
  REQUIRE(frame->has_value());
  const auto packet = decode_publish(**frame, k5, Sender::kServer);
  REQUIRE(packet.has_value());
  CHECK((*frame)->size == sent.bytes.size());
  sent.packet = *packet;
  return sent;
}

std::string with(const char* encoded, std::uint8_t flags = 0x02, std::string_view topic = kEvent) {
  return publish(flags, topic, 7, "{}", k5, bytes(encoded));
}

}  // namespace

TEST_CASE("[MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-4.7.3-2] strings of packets are good UTF-8") {
  for (const char* bad : {"ff", "c3 28", "ed a0 80", "f5 80 80 80", "c0 80", "00", "'a' 00 'b'"}) {
    CAPTURE(bad);
    expect_end(publish(0, bytes(bad), 0, "", k311), ReasonCode::kMalformedPacket);
    expect_end_5(subscribe(1, {bytes(bad)}), ReasonCode::kMalformedPacket);
    // Content Type, Response Topic, and the value of a User Property
    for (const char* property : {"03", "08", "26 00 01 'n'"}) {
      expect_end_5(publish(2, kEvent, 7, "{}", k5, bytes(property) + str(bytes(bad))),
                   ReasonCode::kMalformedPacket);
    }
  }
}

TEST_CASE(
    "[MQTT-1.5.4-3] [MQTT-4.7.3-4] U+FEFF is a character like others, nothing is normalized") {
  Device device = active_device();
  for (const std::string& topic : {"\xEF\xBB\xBF" + kEvent, kUp + "Event", kUp + "e\xCC\x81vent"}) {
    device.send(publish(2, topic, 7, "{}"));
    CHECK(hex(device.output()).substr(12, 2) == "87");
  }
  CHECK(device.calls().empty());
  device.send(publish(2, kEvent, 7, "\xEF\xBB\xBF{}"));
  CHECK(device.calls() == Calls{"message event \xEF\xBB\xBF{}"});
}

TEST_CASE("[MQTT-1.5.5-1] lengths in more bytes than needed are malformed") {
  expect_end(bytes("c0 80 00"), ReasonCode::kMalformedPacket);
  expect_end_5(packet(0x32, str(kEvent) + u16(7) + bytes("80 00")), ReasonCode::kMalformedPacket);
  expect_end(bytes("c0 ff ff ff ff 01"), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-1.5.7-1] both strings of a User Property are checked, and then ignored") {
  expect_end_5(with("26 00 01 ff 00 01 'v'"), ReasonCode::kMalformedPacket);
  expect_end_5(with("26 00 01 'n' 00 01 00"), ReasonCode::kMalformedPacket);
  Device device = active_device();
  device.send(with("26 00 01 'n' 00 01 'v' 26 00 01 'n' 00 01 'w'"));
  CHECK(hex(device.output()) == "40 02 00 07");
  CHECK(device.calls() == Calls{"message event {}"});
}

TEST_CASE("[MQTT-2.1.3-1] reserved flags of every packet type") {
  for (unsigned type = 2; type <= 15; ++type) {
    const bool two = type == 6 || type == 8 || type == 10;
    for (unsigned flags = 0; flags < 16; ++flags) {
      if (type == 3 || flags == (two ? 2U : 0U)) continue;
      const std::string packet{static_cast<char>(type << 4 | flags), '\0'};
      expect_end(packet, ReasonCode::kMalformedPacket);
    }
  }
}

TEST_CASE("[MQTT-2.2.1-3] [MQTT-2.2.1-4] packet identifiers are not 0, nor in use") {
  expect_end_5(publish(2, kEvent, 0, "{}"), ReasonCode::kProtocolError);
  expect_end_5(subscribe(0, {kInbox}), ReasonCode::kProtocolError);
  expect_end_5(unsubscribe(0, {kInbox}), ReasonCode::kProtocolError);
  SessionState state;
  state.subscribed = true;
  state.qos = 1;
  state.last_packet_id = 65534;
  state.in_flight.push_back({1, push(1)});
  Device device = resumed_device(state);
  static_cast<void>(device.output());
  for (const std::uint16_t expected : std::initializer_list<std::uint16_t>{65535, 2, 3}) {
    CHECK(device.deliver(push(2)) == Delivery::kSent);
    CHECK(sent_publish(device).packet.packet_id == expected);
  }
}

TEST_CASE("[MQTT-2.2.1-2] [MQTT-4.3.1-1] [MQTT-3.3.1-2] QoS 0: no packet identifier, no DUP") {
  expect_end_5(publish(0x08, kEvent, 0, "{}"), ReasonCode::kMalformedPacket);
  Device device = active_device(k5, 0);
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  const Sent sent = sent_publish(device);
  CHECK(sent.packet.qos == 0);
  CHECK_FALSE(sent.packet.dup);
  CHECK(sent.packet.packet_id == 0);
}

TEST_CASE("[MQTT-2.2.1-5] [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-3.4.2-1] QoS 1 gets its PUBACK") {
  Device device = active_device();
  device.send(publish(0x02, kEvent, 0x1234, "1"));
  CHECK(device.calls() == Calls{"message event 1"});
  CHECK(hex(device.output()) == "40 02 12 34");
  device.send(publish(0x00, kEvent, 0, "0"));
  CHECK(device.calls() == Calls{"message event 0"});
  CHECK(device.output().empty());
}

TEST_CASE("[MQTT-4.3.2-5] [MQTT-3.3.1-3] after PUBACK the identifier is free, whatever DUP says") {
  Device device = active_device();
  device.send(publish(0x02, kEvent, 7, "a") + publish(0x0A, kEvent, 7, "a"));
  CHECK(device.calls() == Calls{"message event a", "message event a"});
  CHECK(hex(device.output()) == "40 02 00 07 40 02 00 07");
}

TEST_CASE("[MQTT-2.2.2-1] no properties are a Property Length of 0") {
  expect_end_5(packet(0x32, str(kEvent) + u16(7)), ReasonCode::kMalformedPacket);
  expect_end_5(packet(0x82, u16(7) + str(kInbox) + '\1'), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.3.1-4] [MQTT-3.3.2-1] [MQTT-3.3.2-2] PUBLISH that is malformed") {
  expect_end(publish(0x06, kEvent, 7, "{}"), ReasonCode::kMalformedPacket);
  expect_end(bytes("30 00"), ReasonCode::kMalformedPacket);
  expect_end(bytes("30 03 00 05 'a'"), ReasonCode::kMalformedPacket);
  expect_end(publish(0, kUp + "#", 0, "", k311), ReasonCode::kMalformedPacket);
  expect_end(publish(0, kUp + "+", 0, "", k311), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.2.2-11] [MQTT-3.2.2-14] above what CONNACK announced: 0x9B, 0x9A") {
  expect_end_5(publish(0x04, kEvent, 7, "{}"), ReasonCode::kQosNotSupported);
  expect_end_5(publish(0x01, kEvent, 0, "{}"), ReasonCode::kRetainNotSupported);
  expect_end_5(publish(0x03, kEvent, 7, ""), ReasonCode::kRetainNotSupported);
}

TEST_CASE("[MQTT-3.3.1-8] [MQTT-3.3.1-12] nothing is retained, and nothing sent so") {
  Device device = active_device();
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  CHECK_FALSE(sent_publish(device).packet.retain);
  // Retain As Published and Retain Handling change nothing about it.
  Device asks = connected_device({});
  asks.send(subscribe(1, {kInbox}, 0x09));
  CHECK(hex(asks.output()) == "90 04 00 01 00 01");
  CHECK(asks.deliver(push(1)) == Delivery::kSent);
  CHECK_FALSE(sent_publish(asks).packet.retain);
}

TEST_CASE(
    "[MQTT-3.3.2-3] [MQTT-3.3.2-13] a push goes to the inbox, its Response Topic is a topic") {
  Device device = active_device();
  CHECK(device.deliver(push(1, "{}", device.wall() + 90s, *Ulid::parse(kPushId))) ==
        Delivery::kSent);
  const Sent sent = sent_publish(device);
  CHECK(sent.packet.topic == kInbox);
  const Properties& told = sent.packet.properties;
  CHECK(told.text(Property::kResponseTopic) == kUp + "result");
  CHECK(told.text(Property::kCorrelationData) == kPushId);
  CHECK(told.text(Property::kContentType) == "application/json");
  CHECK(told.number(Property::kPayloadFormat) == 1);
  CHECK(told.number(Property::kMessageExpiry) == 90);
  CHECK_FALSE(told.has(Property::kSubscriptionIdentifier));
}

TEST_CASE("[MQTT-3.3.2-5] [MQTT-3.3.2-6] what is left of a push's time is sent, or nothing") {
  Device device = active_device();
  const WallTime expires = device.wall() + 10s;
  CHECK(device.deliver(push(1, "{}", expires)) == Delivery::kSent);
  CHECK(sent_publish(device).packet.properties.number(Property::kMessageExpiry) == 10);
  device.pass(4s);
  CHECK(device.deliver(push(2, "{}", expires)) == Delivery::kSent);
  CHECK(sent_publish(device).packet.properties.number(Property::kMessageExpiry) == 6);
  device.pass(6s);
  CHECK(device.deliver(push(3, "{}", expires)) == Delivery::kExpired);
  CHECK(device.output().empty());
}

TEST_CASE("a device's own Message Expiry Interval may be anything: it is handled at once") {
  Device device = active_device();
  device.send(with("02 00 00 00 00") + with("02 ff ff ff ff"));
  CHECK(hex(device.output()) == "40 02 00 07 40 02 00 07");
}

TEST_CASE("[MQTT-3.3.2-14] [MQTT-3.3.2-19] properties of PUBLISH that do not hold") {
  expect_end_5(with("08 00 01 '#'"), ReasonCode::kProtocolError);
  expect_end_5(with("08 00 03 'a/+'"), ReasonCode::kProtocolError);
  expect_end_5(with("08 00 00"), ReasonCode::kProtocolError);
  expect_end_5(with("03 00 01 ff"), ReasonCode::kMalformedPacket);
  expect_end_5(with("01 02"), ReasonCode::kProtocolError);             // Payload Format Indicator
  expect_end_5(with("01 01 01 01"), ReasonCode::kProtocolError);       // twice
  expect_end_5(with("11 00 00 00 01"), ReasonCode::kMalformedPacket);  // one of CONNECT
  expect_end_5(with("1f 00 01 'x'"), ReasonCode::kMalformedPacket);    // one of PUBACK
}

TEST_CASE("[MQTT-3.3.2-4] Payload Format Indicator 1 promises UTF-8: else 0x99") {
  Device device = active_device();
  device.send(publish(2, kEvent, 7, "\xff", k5, bytes("01 01")));
  CHECK(hex(device.output()).substr(12, 2) == "99");
  CHECK(device.calls().empty());
  device.send(publish(2, kEvent, 7, std::string("\xC3\xA4\0", 3), k5, bytes("01 01")));
  device.send(publish(2, kEvent, 7, "\xff", k5, bytes("01 00")));
  device.send(publish(2, kEvent, 7, "\xff"));
  CHECK(hex(device.output()) == "40 02 00 07 40 02 00 07 40 02 00 07");
  CHECK(device.calls().size() == 3);
  expect_end_5(publish(0, kEvent, 0, "\xff", k5, bytes("01 01")),
               ReasonCode::kPayloadFormatInvalid);
}

TEST_CASE(
    "[MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.2.2-17] Topic Alias 0, or above the maximum: 0x94") {
  expect_end_5(with("23 00 00"), ReasonCode::kTopicAliasInvalid);
  expect_end_5(with("23 00 05"), ReasonCode::kTopicAliasInvalid);
  expect_end_5(with("23 ff ff"), ReasonCode::kTopicAliasInvalid);
  expect_end_5(with("23 00 05", 2, ""), ReasonCode::kTopicAliasInvalid);
  // Neither a topic nor an alias; an alias that stands for nothing yet
  expect_end_5(with("", 2, ""), ReasonCode::kProtocolError);
  expect_end_5(with("23 00 04", 2, ""), ReasonCode::kProtocolError);
  expect_end_5(with("23 00 01 23 00 01"), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.3.2-12] every Topic Alias up to the maximum works, and may be set anew") {
  Device device = active_device();
  const auto say = [&](std::uint8_t alias, std::string_view leaf, std::string_view payload) {
    const std::string topic = leaf.empty() ? "" : kUp + std::string(leaf);
    device.send(publish(2, topic, 7, payload, k5, bytes("23 00") + static_cast<char>(alias)));
  };
  say(1, "event", "a");
  say(2, "state", "b");
  say(3, "sync", "c");
  say(4, "result", "d");
  for (const std::uint8_t alias : std::initializer_list<std::uint8_t>{4, 3, 2, 1})
    say(alias, "", "x");
  CHECK(device.calls() == Calls{"message event a", "message state b", "message sync c",
                                "message result d", "message result x", "message sync x",
                                "message state x", "message event x"});
  say(2, "event", "y");
  say(2, "", "z");
  CHECK(device.calls() == Calls{"message event y", "message event z"});
  static_cast<void>(device.output());
  // One for a topic that is not the device's is refused as that is.
  device.send(publish(2, "elsewhere", 7, "", k5, bytes("23 00 03")));
  device.send(publish(2, "", 8, "", k5, bytes("23 00 03")));
  Packets answers(device.output());
  for (int i = 0; i < 2; ++i) {
    const auto ack = decode_ack(answers.next(), k5);
    REQUIRE(ack.has_value());
    CHECK(ack->code == ReasonCode::kNotAuthorized);
  }
  CHECK(device.calls().empty());
  say(4, "", "still");
  CHECK(device.calls() == Calls{"message result still"});
}

TEST_CASE("[MQTT-3.3.2-7] Topic Aliases end with their connection") {
  Device device = active_device(k5, 1, {.properties = bytes("11 00 00 00 64")});
  device.send(with("23 00 01"));
  device.lose_connection();
  Device again = resumed_device(device.take_state());
  static_cast<void>(again.calls());
  again.send(with("23 00 01", 2, ""));
  CHECK(again.calls() ==
        Calls{"end protocol_error: PUBLISH: Topic Alias: stands for no topic yet"});
}

TEST_CASE("[MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] the server sends no Topic Alias") {
  for (const char* maximum : {"", "22 00 00", "22 ff ff"}) {
    Device device = active_device(k5, 1, {.properties = bytes(maximum)});
    for (int i = 0; i < 3; ++i) {
      CHECK(device.deliver(push(1)) == Delivery::kSent);
      const Sent sent = sent_publish(device);
      CHECK_FALSE(sent.packet.properties.has(Property::kTopicAlias));
      CHECK(sent.packet.topic == kInbox);
    }
  }
}

TEST_CASE("[MQTT-3.3.4-6] a Subscription Identifier from a client is a protocol error") {
  expect_end_5(with("0b 01"), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] the device's Receive Maximum is kept") {
  for (const std::uint16_t quota : std::initializer_list<std::uint16_t>{1, 2, 16, 65535}) {
    Device device = active_device(k5, 1, {.properties = "\x21" + u16(quota)});
    const int window = std::min<int>(quota, Limits{}.in_flight);
    for (int i = 0; i < window; ++i) CHECK(device.deliver(push(1)) == Delivery::kSent);
    CHECK(device.deliver(push(2)) == Delivery::kWindowFull);
    device.send(bytes("40 03 00 01 80"));  // an error frees its place as well
    CHECK(device.deliver(push(2)) == Delivery::kSent);
    CHECK(device.deliver(push(3)) == Delivery::kWindowFull);
  }
}

TEST_CASE("[MQTT-3.3.4-10] [MQTT-4.9.0-3] all else goes on while the quota is zero") {
  Device device = active_device(k5, 1, {.properties = bytes("21 00 01")});
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  CHECK(device.deliver(push(2)) == Delivery::kWindowFull);
  static_cast<void>(device.output());
  device.send(kPingreq + publish(2, kEvent, 7, "{}") + subscribe(2, {kInbox}) +
              unsubscribe(3, {"x"}));
  CHECK(hex(device.output()) == "d0 00 40 02 00 07 90 04 00 02 00 01 b0 04 00 03 00 11");
}

TEST_CASE("[MQTT-3.3.4-7] the server's own Receive Maximum cannot be exceeded: PUBACK is at once") {
  Device device = active_device();
  std::string many;
  std::string acks;
  for (std::uint16_t id = 1; id <= 100; ++id) {
    many += publish(2, kEvent, id, "{}");
    acks += puback(id);
  }
  device.send(many);
  CHECK(hex(device.output()) == hex(acks));
}

TEST_CASE("[MQTT-3.1.2-24] [MQTT-3.1.2-25] above the device's Maximum Packet Size: discarded") {
  Device device = active_device(k5, 1, {.properties = bytes("27 00 00 00 80")});
  CHECK(device.deliver(push(1, std::string(200, 'x'))) == Delivery::kTooLarge);
  CHECK(device.output().empty());
  CHECK(device.session().state().in_flight.empty());
  CHECK(device.deliver(push(2)) == Delivery::kSent);
  CHECK(device.output().size() <= 0x80);
}

TEST_CASE("[MQTT-3.1.2-29] [MQTT-3.4.2-2] [MQTT-3.4.2-3] Reason Strings only if wanted and small") {
  Device told = active_device();
  told.send(publish(2, "x", 7, "{}"));
  CHECK(told.output().find("a device may publish") != std::string::npos);
  Device unwanted = active_device(k5, 1, {.properties = bytes("17 00")});
  unwanted.send(publish(2, "x", 7, "{}"));
  CHECK(hex(unwanted.output()) == "40 03 00 07 87");
  Device small = active_device(k5, 1, {.properties = bytes("27 00 00 00 30")});
  small.send(publish(2, "x", 7, "{}"));
  CHECK(hex(small.output()) == "40 03 00 07 87");
}

TEST_CASE("[MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.2-3] a push at QoS 1 until its PUBACK") {
  Device device = active_device();
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  const Sent first = sent_publish(device);
  CHECK(first.packet.qos == 1);
  CHECK_FALSE(first.packet.dup);
  CHECK(device.deliver(push(2)) == Delivery::kSent);
  CHECK(sent_publish(device).packet.packet_id != first.packet.packet_id);
  CHECK(device.session().state().in_flight.size() == 2);
  device.send(puback(first.packet.packet_id));
  CHECK(device.calls() == Calls{"acked 1 success"});
  CHECK(device.session().state().in_flight.size() == 1);
}

TEST_CASE("[MQTT-3.3.1-1] [MQTT-4.4.0-1] [MQTT-4.6.0-5] sent again only on resumption, in order") {
  Device device = active_device(k5, 1, {.properties = bytes("11 00 00 00 64")});
  for (std::uint64_t token = 1; token <= 3; ++token) {
    CHECK(device.deliver(push(token, std::to_string(token))) == Delivery::kSent);
  }
  static_cast<void>(device.output());
  device.pass(80s);
  device.tick();
  device.send(kPingreq);
  CHECK(device.output() == kPingresp);  // however long it takes
  device.lose_connection();
  Device again = resumed_device(device.take_state());
  Packets packets(again.output());
  CHECK(packets.next().type == PacketType::kConnack);
  for (std::uint16_t id = 1; id <= 3; ++id) {
    const auto packet = decode_publish(packets.next(), k5, Sender::kServer);
    REQUIRE(packet.has_value());
    CHECK(packet->dup);
    CHECK(packet->packet_id == id);
    CHECK(packet->payload == std::to_string(id));
  }
  CHECK(packets.empty());
}

TEST_CASE("[MQTT-4.4.0-2] a PUBACK with an error is an acknowledgement: not sent again") {
  Device device = active_device(k5, 1, {.properties = bytes("11 00 00 00 64")});
  CHECK(device.deliver(push(1)) == Delivery::kSent);
  device.send(bytes("40 03 00 01 97"));
  CHECK(device.calls() == Calls{"acked 1 quota exceeded"});
  device.lose_connection();
  CHECK(device.session().state().in_flight.empty());
}

TEST_CASE("acknowledgements that are malformed, or of nothing that was sent") {
  expect_end(puback(1), ReasonCode::kProtocolError);
  expect_end(bytes("40 00"), ReasonCode::kMalformedPacket);
  expect_end(bytes("40 01 00"), ReasonCode::kMalformedPacket);
  expect_end(bytes("40 02 00 00"), ReasonCode::kProtocolError);
  expect_end_311(bytes("40 03 00 01 00"));
  expect_end_5(bytes("40 03 00 01 01"), ReasonCode::kProtocolError);  // not a code of PUBACK
  expect_end_5(bytes("40 03 00 01 92"), ReasonCode::kProtocolError);  // but of PUBREL
  expect_end_5(bytes("40 04 00 01 00 01"), ReasonCode::kMalformedPacket);
  expect_end_5(bytes("40 06 00 01 00 02 01 01"), ReasonCode::kMalformedPacket);
}

TEST_CASE("[MQTT-3.5.2-1] [MQTT-3.6.1-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] QoS 2 has no packets here") {
  for (const char* type : {"50", "62", "70"}) {
    expect_end(bytes(type) + bytes("02 00 01"), ReasonCode::kProtocolError);
    expect_end_5(bytes(type) + bytes("03 00 01 8e"), ReasonCode::kProtocolError);
    expect_end(bytes(type) + bytes("01 00"), ReasonCode::kMalformedPacket);
  }
  for (const char* flags : {"60", "61", "63", "66", "6f"}) {
    expect_end(bytes(flags) + bytes("02 00 01"), ReasonCode::kMalformedPacket);
  }
}

}  // namespace kscpush::mqtt

// MQTT 5.0: CONNECT and CONNACK.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;

namespace {

// CONNECT of 5 whose variable header and payload after the level are BODY.
std::string raw(std::string_view body) {
  return packet(0x10, bytes("00 04 'MQTT' 05") + bytes(body));
}
const std::string kMalformed = bytes("20 03 00 81 00");
const std::string kProtocolError = bytes("20 03 00 82 00");

std::string refusal(ReasonCode code, std::string_view reason) {
  return packet(0x20,
                std::string(1, '\0') + static_cast<char>(code) + properties("\x1f" + str(reason)));
}

Properties connack_properties(const ConnectOptions& options, const Limits& limits = {}) {
  static std::string kept;  // the properties are views of it
  Device device(limits);
  device.send(connect(options));
  device.accept();
  kept = device.output();
  const auto frame = next_frame(kept, kMaxPacketBytes);
  const auto connack = decode_connack(**frame, k5);
  REQUIRE(connack.has_value());
  CHECK(connack->code == 0);
  return connack->properties;
}

}  // namespace

TEST_CASE("[MQTT-3.1.0-1] the first packet must be CONNECT") {
  for (const std::string& first : {kPingreq, subscribe(1, {kInbox}), bytes("f0 00"),
                                   publish(0, kUp + "event", 0, "{}"), bytes("e0 00")}) {
    expect_refused(first, "");
  }
}

TEST_CASE("[MQTT-3.1.0-2] a second CONNECT is a protocol error") {
  expect_end_5(connect(), ReasonCode::kProtocolError);
}

TEST_CASE("[MQTT-3.1.2-1] another protocol name is not answered") {
  for (const char* name : {"MQTX", "mqtt", "", "MQTTT"}) {
    expect_refused(packet(0x10, str(name) + bytes("05 02 00 3c 00 00 01 'p'")), "");
  }
}

TEST_CASE("[MQTT-3.1.2-2] another protocol version: 0x84 to who writes as MQTT 5 does") {
  for (const char* level : {"00", "02", "03", "06", "07", "2a", "84", "ff"}) {
    CAPTURE(level);
    expect_refused(
        packet(0x10, bytes("00 04 'MQTT'") + bytes(level) + bytes("02 00 3c 00 00 04 'pc-1'")),
        bytes("20 03 00 84 00"));
  }
  // Who writes otherwise is answered by the level.
  expect_refused(packet(0x10, bytes("00 04 'MQTT' 06 ff ff ff")), bytes("20 03 00 84 00"));
}

TEST_CASE("[MQTT-3.1.2-3] the reserved connect flag must be 0") {
  expect_refused(raw("03 00 3c 00 00 01 'p'"), kMalformed);
}

TEST_CASE("[MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] flags of the will") {
  expect_refused(raw("06 00 3c 00 00 01 'p'"), kMalformed);                     // no will at all
  expect_refused(raw("06 00 3c 00 00 01 'p' 00"), kMalformed);                  // no topic
  expect_refused(raw("06 00 3c 00 00 01 'p' 00 00 01 't'"), kMalformed);        // no payload
  expect_refused(raw("02 00 3c 00 00 01 'p' 00 00 01 't' 00 00"), kMalformed);  // no flag
  expect_refused(raw("0a 00 3c 00 00 01 'p'"), kMalformed);                     // QoS without it
  expect_refused(raw("22 00 3c 00 00 01 'p'"), kMalformed);                     // retain
  expect_refused(raw("1e 00 3c 00 00 01 'p' 00 00 01 't' 00 00"), kMalformed);  // QoS 3
  for (const std::uint8_t qos : {std::uint8_t{0x02}, std::uint8_t{0x0A}}) {
    Device device;
    device.send(connect_with_will(k5, qos, kUp + "event"));
    CHECK(device.session().phase() == Session::Phase::kAwaitDecision);
  }
}

TEST_CASE("[MQTT-3.2.2-12] [MQTT-3.2.2-13] a will at QoS 2 or retained is refused by its code") {
  expect_refused(connect_with_will(k5, 0x12, kUp + "event"),
                 refusal(ReasonCode::kQosNotSupported, "QoS 2 is not supported"));
  expect_refused(connect_with_will(k5, 0x22, kUp + "event"),
                 refusal(ReasonCode::kRetainNotSupported, "retained messages are not supported"));
}

TEST_CASE("[MQTT-3.1.3-11] [MQTT-4.7.0-1] [MQTT-4.7.3-1] the will topic is a topic name") {
  for (const std::string& topic :
       {std::string(), kUp + "#", kUp + "+", std::string("a\0b", 3), std::string("\xff")}) {
    expect_refused(connect_with_will(k5, 2, topic), kMalformed);
  }
}

TEST_CASE("[MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] user name, password") {
  expect_refused(raw("02 00 3c 00 00 01 'p' 00 01 'u'"), kMalformed);
  expect_refused(raw("82 00 3c 00 00 01 'p'"), kMalformed);
  expect_refused(raw("82 00 3c 00 00 01 'p' 00 01 'u' 00 01 'x'"), kMalformed);
  expect_refused(raw("c2 00 3c 00 00 01 'p' 00 01 'u'"), kMalformed);
  Device alone;  // new in MQTT 5: a password without a user name
  alone.send(raw("42 00 3c 00 00 01 'p' 00 01 'x'"));
  CHECK(alone.session().phase() == Session::Phase::kAwaitDecision);
}

TEST_CASE("[MQTT-3.1.3-1] the payload's fields in their order") {
  Device device;
  device.send(connect({.flags = 0xC6,
                       .tail = properties(bytes("18 00 00 00 00")) + str(kUp + "event") +
                               str("gone") + str("user") + str("secret")}));
  CHECK(device.calls() ==
        Calls{"connect pc-1 v5 keep_alive=60 expiry=0 user=user password=secret"});
  device.accept();
  device.lose_connection();
  CHECK(device.calls() == Calls{"message event gone", "end connection_lost"});
}

TEST_CASE("[MQTT-3.1.3-3] [MQTT-3.1.3-4] [MQTT-3.1.3-12] identifier and user name are strings") {
  expect_refused(raw("02 00 3c 00"), kMalformed);
  expect_refused(raw("02 00 3c 00 00 02 c3 28"), kMalformed);
  expect_refused(raw("02 00 3c 00 00 03 'a' 00 'b'"), kMalformed);
  expect_refused(raw("02 00 3c 00 00 03 ed a0 80"), kMalformed);
  expect_refused(raw("82 00 3c 00 00 01 'p' 00 01 ff"), kMalformed);
}

TEST_CASE("[MQTT-3.1.3-5] identifiers of 1 to 23 letters and digits are allowed") {
  for (const char* id : {"0", "z", "abcdefghijklmnopqrstuvw", "0123456789ABCDEFGHIJKLM",
                         "NOPQRSTUVWXYZxyz0123456"}) {
    Device device;
    device.send(connect({.id = id}));
    CHECK(device.session().phase() == Session::Phase::kAwaitDecision);
  }
}

TEST_CASE("[MQTT-3.1.3-8] other identifiers, the empty one among them, are refused with 0x85") {
  for (const std::string& id :
       {std::string(), std::string("a/b"), std::string("a b"), std::string("+"), std::string("#"),
        std::string("*"), std::string(129, 'x'),
        std::string("\xEF\xBB\xBF"
                    "pc-1"),
        std::string("\xC3\xA4")}) {
    expect_refused(connect({.id = id}), refusal(ReasonCode::kClientIdentifierNotValid,
                                                "the client identifier must be the device id"));
  }
}

TEST_CASE("[MQTT-3.1.4-1] what is no CONNECT as section 3.1 has it") {
  expect_refused(bytes("10 00"), "");
  expect_refused(raw("02 00 3c"), kMalformed);
  expect_refused(raw("02 00 3c 00 00 01 'p' 00"), kMalformed);
  expect_refused(raw("02 00 3c 02 7f 00 00 01 'p'"), kMalformed);     // unknown property
  expect_refused(raw("02 00 3c 03 23 00 01 00 01 'p'"), kMalformed);  // one of PUBLISH
  expect_refused(raw("02 00 3c 06 21 00 05 21 00 05 00 01 'p'"), kProtocolError);  // twice
  expect_refused(raw("02 00 3c 03 21 00 00 00 01 'p'"), kProtocolError);  // Receive Maximum 0
  expect_refused(raw("02 00 3c 05 27 00 00 00 00 00 01 'p'"), kProtocolError);
  expect_refused(raw("02 00 3c 02 17 02 00 01 'p'"),
                 kProtocolError);  // Request Problem Information
  expect_refused(raw("02 00 3c 02 19 02 00 01 'p'"), kProtocolError);  // ... Response Information
  expect_refused(raw("02 00 3c 04 16 00 01 'd' 00 01 'p'"), kProtocolError);  // data, no method
}

TEST_CASE("[MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] a refusal ends it") {
  Device device;
  device.send(connect({.flags = 0}));
  SessionState state;
  device.refuse(ReasonCode::kNotAuthorized);
  CHECK(hex(device.output()) == "20 03 00 87 00");
  CHECK(device.calls().back() == "end refused: CONNECT: not authorized");
  Device odd;  // a code that CONNACK does not have
  odd.send(connect());
  odd.refuse(ReasonCode::kSessionTakenOver);
  CHECK(hex(odd.output()) == "20 03 00 80 00");
}

TEST_CASE("[MQTT-3.1.4-6] nothing behind a refused CONNECT is looked at") {
  Device device;
  device.send(connect() + publish(0, kUp + "event", 0, "{}") + subscribe(1, {kInbox}));
  static_cast<void>(device.calls());
  device.refuse(ReasonCode::kBanned);
  device.send(publish(0, kUp + "event", 0, "{}"));
  CHECK(hex(device.output()) == "20 03 00 8a 00");
  CHECK(device.calls() == Calls{"end refused: CONNECT: banned"});
}

TEST_CASE("[MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.2.2-1] one CONNACK, first of all") {
  SessionState state;
  state.subscribed = true;
  state.qos = 1;
  state.in_flight.push_back({9, push(1)});
  Device device;
  device.send(connect({.flags = 0}) + kPingreq);
  CHECK(device.output().empty());
  device.accept(state, true);
  Packets packets(device.output());
  const Frame first = packets.next();
  REQUIRE(first.type == PacketType::kConnack);
  CHECK(first.body[0] == '\1');  // Session Present, and no other flag
  CHECK(first.body[1] == '\0');
  CHECK(packets.next().type == PacketType::kPublish);
  CHECK(packets.next().type == PacketType::kPingresp);
  CHECK(packets.empty());
}

TEST_CASE("[MQTT-3.2.2-2] [MQTT-3.2.2-3] Session Present says what the server has") {
  const auto flags = [](std::uint8_t connect_flags, bool has) {
    Device device;
    device.send(connect({.flags = connect_flags}));
    device.accept({}, has);
    return hex(device.output()).substr(6, 5);
  };
  CHECK(flags(0, true) == "01 00");
  CHECK(flags(0, false) == "00 00");
  CHECK(flags(2, true) == "00 00");
  CHECK(flags(2, false) == "00 00");
}

TEST_CASE("[MQTT-3.2.2-9] CONNACK announces the profile") {
  const Properties told = connack_properties({});
  CHECK(told.number(Property::kMaximumQos, 2) == 1);
  CHECK(told.number(Property::kRetainAvailable, 1) == 0);
  CHECK(told.number(Property::kWildcardSubscriptionAvailable, 1) == 0);
  CHECK(told.number(Property::kSharedSubscriptionAvailable, 1) == 0);
  CHECK(told.number(Property::kSubscriptionIdentifierAvailable, 1) == 0);
  CHECK(told.number(Property::kReceiveMaximum) == Limits{}.receive_maximum);
  CHECK(told.number(Property::kMaximumPacketSize) == Limits{}.packet_bytes);
  CHECK(told.number(Property::kTopicAliasMaximum) == TopicAliases::kMaximum);
  CHECK_FALSE(told.has(Property::kAssignedClientIdentifier));
}

TEST_CASE("[MQTT-3.1.2-28] [MQTT-4.12.0-6] neither Response Information nor a method unasked") {
  for (const char* asked : {"", "19 00", "19 01"}) {
    const Properties told = connack_properties({.properties = bytes(asked)});
    CHECK_FALSE(told.has(Property::kResponseInformation));
    CHECK_FALSE(told.has(Property::kAuthenticationMethod));
    CHECK_FALSE(told.has(Property::kUserProperty));
  }
}

TEST_CASE("[MQTT-3.1.2-21] [MQTT-3.2.2-21] [MQTT-3.2.2-22] whose keep alive counts") {
  const Limits limits{.keep_alive_max_s = 100};
  for (const std::uint16_t asked : std::initializer_list<std::uint16_t>{1, 99, 100}) {
    CHECK_FALSE(
        connack_properties({.keep_alive_s = asked}, limits).has(Property::kServerKeepAlive));
    Device device = connected_device({.keep_alive_s = asked}, limits);
    CHECK(device.session().keep_alive_deadline() == device.now() + asked * 1500ms);
  }
  for (const std::uint16_t asked : std::initializer_list<std::uint16_t>{0, 101, 65535}) {
    CHECK(connack_properties({.keep_alive_s = asked}, limits).number(Property::kServerKeepAlive) ==
          100);
    Device device = connected_device({.keep_alive_s = asked}, limits);
    CHECK(device.session().keep_alive_deadline() == device.now() + 150s);
  }
}

TEST_CASE("[MQTT-3.1.2-23] a session expiry above the limit is cut, and the device told") {
  const Limits limits{.session_expiry_max_s = 1000};
  CHECK_FALSE(connack_properties({.properties = bytes("11 00 00 03 e8")}, limits)
                  .has(Property::kSessionExpiry));
  CHECK(connack_properties({.properties = bytes("11 ff ff ff ff")}, limits)
            .number(Property::kSessionExpiry) == 1000);
}

TEST_CASE("[MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.1.2-24] CONNACK keeps to the device's maximum") {
  const auto answer = [](std::uint32_t room, bool accepted) {
    Device device;
    device.send(connect({.properties = "\x27" + u32(room)}));
    if (accepted) device.accept();
    if (!accepted) device.refuse(ReasonCode::kServerBusy, "a long reason", "dp-2:13295");
    return device.output();
  };
  for (std::uint32_t room = 1; room < 60; ++room) {
    CHECK(answer(room, true).size() <= room);
    CHECK(answer(room, false).size() <= room);
  }
  CHECK(hex(answer(20, true)) == "20 03 00 95 00");  // no room for what must be announced
}

TEST_CASE("[MQTT-4.12.0-1] [MQTT-4.12.0-4] an Authentication Method is refused with 0x8C") {
  const std::string answer =
      refusal(ReasonCode::kBadAuthenticationMethod, "extended authentication is not supported");
  expect_refused(connect({.properties = bytes("15 00 05 'PLAIN'")}), answer);
  expect_refused(connect({.properties = bytes("15 00 0d 'SCRAM-SHA-256' 16 00 01 'x'")}), answer);
  expect_refused(connect({.properties = bytes("15 00 00")}), answer);
}

TEST_CASE("[MQTT-4.13.2-1] a CONNECT above what is taken before it is decided: 0x95") {
  Device device(Limits{.connect_packet_bytes = 200});
  device.send(connect({.properties = "\x26" + str(std::string(60, 'n')) + str("v"),
                       .tail = std::string(200, 'x')}));
  CHECK(hex(device.output()) == "20 03 00 95 00");
  CHECK(device.calls() == Calls{"end packet_too_large: CONNECT: packet larger than allowed"});
}

}  // namespace kscpush::mqtt

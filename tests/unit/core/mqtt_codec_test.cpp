#include "core/mqtt/codec.hpp"
#include "core/mqtt/topics.hpp"
#include "core/mqtt/utf8.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using testing::bytes;
using testing::hex;
using testing::str;

namespace {

Frame frame_of(std::string_view packet) {
  const auto frame = next_frame(packet, kMaxPacketBytes);
  REQUIRE(frame.has_value());
  REQUIRE(frame->has_value());
  REQUIRE((*frame)->size == packet.size());
  return **frame;
}

}  // namespace

TEST_CASE("frame: cut off the front of a stream, whatever follows") {
  const std::string stream = bytes("c0 00 40 02 00 01 30");
  auto frame = next_frame(stream, 100);
  REQUIRE(frame->has_value());
  CHECK((*frame)->type == PacketType::kPingreq);
  CHECK((*frame)->size == 2);
  frame = next_frame(std::string_view(stream).substr(2), 100);
  REQUIRE(frame->has_value());
  CHECK((*frame)->type == PacketType::kPuback);
  CHECK(hex((*frame)->body) == "00 01");
  CHECK_FALSE(next_frame(std::string_view(stream).substr(6), 100)->has_value());
  CHECK_FALSE(next_frame("", 100)->has_value());
}

TEST_CASE("frame: remaining lengths at the borders of their 1 to 4 bytes") {
  struct Case {
    std::size_t length;
    const char* encoded;
  };
  for (const Case& c :
       {Case{0, "00"}, Case{127, "7f"}, Case{128, "80 01"}, Case{16383, "ff 7f"},
        Case{16384, "80 80 01"}, Case{2097151, "ff ff 7f"}, Case{2097152, "80 80 80 01"}}) {
    CAPTURE(c.length);
    const std::string header = bytes(std::string("30 ") + c.encoded);
    CHECK_FALSE(next_frame(header.substr(0, header.size() - 1), kMaxPacketBytes)->has_value());
    const std::string whole = header + std::string(c.length, 'x');
    const auto frame = next_frame(whole, kMaxPacketBytes);
    REQUIRE(frame->has_value());
    CHECK((*frame)->body.size() == c.length);
    CHECK((*frame)->size == whole.size());
  }
}

TEST_CASE("frame: the header tells what is wrong before the packet is there") {
  struct Case {
    const char* header;
    ReasonCode code;
  };
  for (const Case& c : {
           Case{"00", ReasonCode::kMalformedPacket},  // reserved type
           Case{"11", ReasonCode::kMalformedPacket},  // flags of CONNECT
           Case{"80", ReasonCode::kMalformedPacket},  // flags of SUBSCRIBE
           Case{"83", ReasonCode::kMalformedPacket},
           Case{"60", ReasonCode::kMalformedPacket},              // flags of PUBREL
           Case{"a0", ReasonCode::kMalformedPacket},              // flags of UNSUBSCRIBE
           Case{"c1", ReasonCode::kMalformedPacket},              // flags of PINGREQ
           Case{"e8", ReasonCode::kMalformedPacket},              // flags of DISCONNECT
           Case{"f1", ReasonCode::kMalformedPacket},              // flags of AUTH
           Case{"36", ReasonCode::kMalformedPacket},              // QoS 3
           Case{"38", ReasonCode::kMalformedPacket},              // DUP with QoS 0
           Case{"c0 80 00", ReasonCode::kMalformedPacket},        // longer than needed
           Case{"30 ff ff ff 80", ReasonCode::kMalformedPacket},  // a fifth byte
           Case{"30 80 80 80 00", ReasonCode::kMalformedPacket},
           Case{"30 63", ReasonCode::kPacketTooLarge},  // 101 bytes
           Case{"30 ff ff ff 7f", ReasonCode::kPacketTooLarge},
       }) {
    CAPTURE(c.header);
    const auto frame = next_frame(bytes(c.header), 100);
    REQUIRE_FALSE(frame.has_value());
    CHECK(frame.error().code == c.code);
    CHECK_FALSE(frame.error().text.empty());
  }
  CHECK(next_frame(bytes("30 62"), 100).has_value());
}

TEST_CASE("[MQTT-1.5.4-1] [MQTT-1.5.4-2] strings: well-formed UTF-8 without U+0000") {
  for (const char* good :
       {"", "'abc'", "c2 80", "df bf", "e0 a0 80", "ed 9f bf", "ee 80 80", "ef bf bf",
        "f0 90 80 80", "f4 8f bf bf", "01", "7f", "'a' e2 82 ac 'b'"}) {
    CAPTURE(good);
    CHECK(is_utf8_string(bytes(good)));
  }
  for (const char* bad :
       {"00",       "'a' 00",   "80",          "bf",          "c0 80",
        "c1 bf",    "c2",       "c2 41",       "e0 9f bf",    "e2 82",
        "ed a0 80", "ed bf bf", "f0 8f bf bf", "f4 90 80 80", "f5 80 80 80",
        "ff",       "fe",       "e2 28 a1",    "f0 90 80",    "'abc' f8 88 80 80 80"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_utf8_string(bytes(bad)));
  }
  CHECK(is_utf8(std::string_view("a\0b", 3)));
}

TEST_CASE("[MQTT-1.5.4-3] U+FEFF is kept") {
  const std::string packet = bytes("30 0a 00 05 ef bb bf 'ab' 00 'hi'");
  const auto publish = decode_publish(frame_of(packet), Version::kV5, Sender::kClient);
  REQUIRE(publish.has_value());
  CHECK(hex(publish->topic) == "ef bb bf 61 62");
}

TEST_CASE("CONNECT of 3.1.1 with everything in it") {
  const std::string packet =
      testing::packet(0x10, bytes("00 04 'MQTT' 04 ee 00 0a 00 04 'pc-1' 00 01 't' 00 02 00 ff "
                                  "00 01 'u' 00 09 'pass' 00 'word'"));
  const auto connect = decode_connect(frame_of(packet));
  REQUIRE(connect.has_value());
  CHECK(connect->version == Version::kV311);
  CHECK(connect->clean_start);
  CHECK(connect->keep_alive_s == 10);
  CHECK(connect->client_id == "pc-1");
  REQUIRE(connect->will.has_value());
  CHECK(connect->will->topic == "t");
  CHECK(hex(connect->will->payload) == "00 ff");
  CHECK(connect->will->qos == 1);
  CHECK(connect->will->retain);
  CHECK(connect->username == "u");
  CHECK(connect->password == std::string_view("pass\0word", 9));
  std::string again;
  CHECK(encode(*connect, again));
  CHECK(hex(again) == hex(packet));
}

TEST_CASE("CONNECT of 5 with properties") {
  std::string body = bytes("00 04 'MQTT' 05 04 00 3c");
  const std::string properties =
      bytes("11 00 00 00 78  21 00 14  27 00 00 10 00  26 00 0d 'kscpush-agent' 00 03 '0.1'");
  const std::string will = bytes("01 01  02 00 00 00 0a  18 00 00 00 05  26 00 00 00 00");
  body += testing::properties(properties) + str("pc-1") + testing::properties(will) + str("t") +
          str("payload");
  const std::string whole = testing::packet(0x10, body);
  const auto connect = decode_connect(frame_of(whole));
  REQUIRE(connect.has_value());
  CHECK_FALSE(connect->clean_start);
  CHECK(connect->properties.number(Property::kSessionExpiry) == 120);
  CHECK(connect->properties.number(Property::kReceiveMaximum) == 20);
  CHECK(connect->properties.number(Property::kMaximumPacketSize) == 4096);
  CHECK(connect->properties.number(Property::kRequestProblemInformation, 1) == 1);
  CHECK(connect->properties.user_property("kscpush-agent") == "0.1");
  CHECK_FALSE(connect->properties.user_property("other").has_value());
  REQUIRE(connect->will.has_value());
  CHECK(connect->will->properties.number(Property::kWillDelay) == 5);
  CHECK(connect->will->properties.user_property("") == "");
  std::string again;
  CHECK(encode(*connect, again));
  CHECK(hex(again) == hex(whole));
}

TEST_CASE("PUBLISH: the packet identifier is there with QoS 1 and not with QoS 0") {
  const std::string qos0 = bytes("30 06 00 01 't' 00 'hi'");
  auto publish = decode_publish(frame_of(qos0), Version::kV5, Sender::kClient);
  REQUIRE(publish.has_value());
  CHECK(publish->packet_id == 0);
  CHECK(publish->payload == "hi");
  const std::string qos1 = bytes("3b 08 00 01 't' 12 34 00 'hi'");
  publish = decode_publish(frame_of(qos1), Version::kV5, Sender::kClient);
  REQUIRE(publish.has_value());
  CHECK(publish->dup);
  CHECK(publish->retain);
  CHECK(publish->qos == 1);
  CHECK(publish->packet_id == 0x1234);
  CHECK(publish->payload == "hi");
  std::string again;
  CHECK(encode(*publish, Version::kV5, again));
  CHECK(hex(again) == hex(qos1));
}

TEST_CASE("PUBLISH: an empty payload is a payload") {
  const std::string packet = bytes("30 03 00 01 't'");
  const auto publish = decode_publish(frame_of(packet), Version::kV311, Sender::kClient);
  REQUIRE(publish.has_value());
  CHECK(publish->payload.empty());
}

TEST_CASE("acknowledgements of 5: code and properties may be left out") {
  for (const char* packet : {"40 02 00 07", "40 03 00 07 00", "40 04 00 07 00 00"}) {
    CAPTURE(packet);
    const std::string raw = bytes(packet);
    const auto ack = decode_ack(frame_of(raw), Version::kV5);
    REQUIRE(ack.has_value());
    CHECK(ack->packet_id == 7);
    CHECK(ack->code == ReasonCode::kSuccess);
  }
  const std::string raw = bytes("40 0a 00 07 87 06 1f 00 03 'why'");
  const auto ack = decode_ack(frame_of(raw), Version::kV5);
  REQUIRE(ack.has_value());
  CHECK(ack->code == ReasonCode::kNotAuthorized);
  CHECK(ack->properties.text(Property::kReasonString) == "why");
  std::string again;
  CHECK(encode(*ack, Version::kV5, again));
  CHECK(hex(again) == hex(raw));
  again.clear();
  CHECK(encode(*ack, Version::kV311, again));
  CHECK(hex(again) == "40 02 00 07");
}

TEST_CASE("SUBSCRIBE: filters and their options, in order") {
  const std::string raw = bytes("82 0f 00 05 02 0b 07 00 01 'a' 2d 00 03 'b/#' 02");
  const auto subscribe = decode_subscribe(frame_of(raw), Version::kV5);
  REQUIRE(subscribe.has_value());
  CHECK(subscribe->packet_id == 5);
  CHECK(subscribe->properties.has(Property::kSubscriptionIdentifier));
  FilterReader reader(*subscribe);
  const auto first = reader.next();
  REQUIRE(first.has_value());
  CHECK(first->filter == "a");
  CHECK(first->qos == 1);
  CHECK(first->no_local);
  CHECK(first->retain_as_published);
  CHECK(first->retain_handling == 2);
  const auto second = reader.next();
  REQUIRE(second.has_value());
  CHECK(second->filter == "b/#");
  CHECK(second->qos == 2);
  CHECK_FALSE(reader.next().has_value());
  std::string filters;
  append_filter(filters, PacketType::kSubscribe, *first);
  append_filter(filters, PacketType::kSubscribe, *second);
  CHECK(hex(filters) == hex(subscribe->filters));
  std::string again;
  CHECK(encode(*subscribe, Version::kV5, again));
  CHECK(hex(again) == hex(raw));
}

TEST_CASE("SUBACK has a code for each filter, UNSUBACK of 3.1.1 has none") {
  const std::string suback = bytes("90 06 00 05 00 00 01 87");
  const auto five = decode_suback(frame_of(suback), Version::kV5);
  REQUIRE(five.has_value());
  CHECK(hex(five->codes) == "00 01 87");
  const std::string unsuback = bytes("b0 02 00 05");
  const auto three = decode_suback(frame_of(unsuback), Version::kV311);
  REQUIRE(three.has_value());
  CHECK(three->codes.empty());
  Suback packet;
  packet.type = PacketType::kUnsuback;
  packet.packet_id = 5;
  packet.codes = std::string_view("\x00\x11", 2);
  std::string out;
  CHECK(encode(packet, Version::kV5, out));
  CHECK(encode(packet, Version::kV311, out));
  CHECK(hex(out) == "b0 05 00 05 00 00 11 b0 02 00 05");
}

TEST_CASE("DISCONNECT and AUTH: nothing at all is success") {
  const std::string plain = bytes("e0 00");
  CHECK(decode_disconnect(frame_of(plain), Version::kV5, Sender::kClient)->code ==
        ReasonCode::kSuccess);
  CHECK(decode_disconnect(frame_of(plain), Version::kV311, Sender::kClient).has_value());
  const std::string will = bytes("e0 01 04");
  CHECK(decode_disconnect(frame_of(will), Version::kV5, Sender::kClient)->code ==
        ReasonCode::kDisconnectWithWill);
  const std::string auth = bytes("f0 00");
  CHECK(decode_auth(frame_of(auth), Version::kV5)->code == ReasonCode::kSuccess);
  const std::string method = bytes("f0 06 18 04 15 00 01 'm'");
  const auto more = decode_auth(frame_of(method), Version::kV5);
  REQUIRE(more.has_value());
  CHECK(more->properties.text(Property::kAuthenticationMethod) == "m");
  std::string again;
  CHECK(encode(*more, again));
  CHECK(hex(again) == hex(method));
}

TEST_CASE("encode: a packet above the receiver's maximum is not written at all") {
  Publish packet;
  packet.topic = "t";
  packet.payload = "0123456789";
  std::string out = "before";
  CHECK_FALSE(encode(packet, Version::kV5, out, 15));
  CHECK(out == "before");
  CHECK(encode(packet, Version::kV5, out, 16));
  CHECK(out.size() == 6 + 16);
}

TEST_CASE("encode: a string above 65535 bytes is not written at all") {
  const std::string longest(65535, 'x');
  const std::string too_long(65536, 'x');
  Publish packet;
  std::string out;
  packet.topic = too_long;
  CHECK_FALSE(encode(packet, Version::kV311, out));
  CHECK(out.empty());
  packet.topic = "t";
  packet.properties.set(Property::kContentType, too_long);
  CHECK_FALSE(encode(packet, Version::kV5, out));
  CHECK(out.empty());
  packet.properties.set(Property::kContentType, longest);
  CHECK(encode(packet, Version::kV5, out));
  const auto decoded = decode_publish(frame_of(out), Version::kV5, Sender::kServer);
  REQUIRE(decoded.has_value());
  CHECK(decoded->properties.text(Property::kContentType) == longest);
}

TEST_CASE("topics: the device's own, compared byte by byte") {
  CHECK(is_inbox("ksc/v1/devices/pc-1/push", "pc-1"));
  for (const char* other :
       {"", "ksc/v1/devices/pc-1", "ksc/v1/devices/pc-1/", "ksc/v1/devices/pc-10/push",
        "ksc/v1/devices/pc-/push", "ksc/v1/devices/pc-1/push/", "ksc/v1/devices/PC-1/push",
        "/ksc/v1/devices/pc-1/push", "ksc/v1/devices//push", "ksc/v1/devices/pc-2/push"}) {
    CAPTURE(other);
    CHECK_FALSE(is_inbox(other, "pc-1"));
  }
  CHECK(up_topic("ksc/v1/devices/pc-1/up/result", "pc-1") == UpTopic::kResult);
  CHECK(up_topic("ksc/v1/devices/pc-1/up/state", "pc-1") == UpTopic::kState);
  CHECK(up_topic("ksc/v1/devices/pc-1/up/sync", "pc-1") == UpTopic::kSync);
  CHECK(up_topic("ksc/v1/devices/pc-1/up/event", "pc-1") == UpTopic::kEvent);
  for (const char* other : {"ksc/v1/devices/pc-1/up/", "ksc/v1/devices/pc-1/up/results",
                            "ksc/v1/devices/pc-1/up/event/x", "ksc/v1/devices/pc-2/up/event",
                            "ksc/v1/devices/pc-1/push", "up/event"}) {
    CAPTURE(other);
    CHECK_FALSE(up_topic(other, "pc-1").has_value());
  }
  CHECK(inbox_topic("pc-1").view() == "ksc/v1/devices/pc-1/push");
  CHECK(up_topic_name("pc-1", UpTopic::kSync).view() == "ksc/v1/devices/pc-1/up/sync");
}

TEST_CASE("[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-2] filters: where wildcards may stand") {
  const auto kind = [](std::string_view filter) { return filter_kind(filter, Version::kV5); };
  for (const char* filter : {"a", "/", "a//b", "$SYS/x", "$share", "$shares/a/b", " "}) {
    CAPTURE(filter);
    CHECK(kind(filter) == FilterKind::kPlain);
  }
  for (const char* filter : {"#", "+", "a/#", "a/+", "+/a", "+/+/#", "/+", "a/+/b", "/#"}) {
    CAPTURE(filter);
    CHECK(kind(filter) == FilterKind::kWildcard);
  }
  for (const char* filter : {"$share/g/a", "$share/g//", "$share/g/#", "$share/g/+/a"}) {
    CAPTURE(filter);
    CHECK(kind(filter) == FilterKind::kShared);
  }
  for (const char* filter :
       {"", "a#", "#a", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "++", "##", "$share/", "$share/g",
        "$share//a", "$share/g/", "$share/+/a", "$share/g#/a", "$share/g/a#"}) {
    CAPTURE(filter);
    CHECK(kind(filter) == FilterKind::kIllFormed);
  }
  CHECK(filter_kind("$share/g/a", Version::kV311) == FilterKind::kPlain);
}

TEST_CASE("reason codes: which packets have them, and who may send them") {
  CHECK(is_reason_code_of(PacketType::kConnack, ReasonCode::kBanned, Sender::kServer));
  CHECK_FALSE(is_reason_code_of(PacketType::kPuback, ReasonCode::kBanned, Sender::kServer));
  CHECK(
      is_reason_code_of(PacketType::kDisconnect, ReasonCode::kDisconnectWithWill, Sender::kClient));
  CHECK_FALSE(
      is_reason_code_of(PacketType::kDisconnect, ReasonCode::kDisconnectWithWill, Sender::kServer));
  CHECK(is_reason_code_of(PacketType::kDisconnect, ReasonCode::kUseAnotherServer, Sender::kServer));
  CHECK_FALSE(
      is_reason_code_of(PacketType::kDisconnect, ReasonCode::kUseAnotherServer, Sender::kClient));
  CHECK_FALSE(
      is_reason_code_of(PacketType::kPuback, static_cast<ReasonCode>(0x77), Sender::kClient));
  CHECK(to_string(ReasonCode::kUseAnotherServer) == "use another server");
  CHECK(to_string(static_cast<ReasonCode>(0x77)) == "unknown reason");
}

}  // namespace kscpush::mqtt

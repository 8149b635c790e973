// Packets that the specification forbids, class by class, and the reason code for each.
#include <optional>

#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using testing::bytes;
using testing::packet;

namespace {

template <class T>
std::optional<DecodeError> error_of(const Decoded<T>& decoded) {
  if (decoded) return std::nullopt;
  return decoded.error();
}

// The error that the packet, written readably without its fixed header, is met with.
std::optional<DecodeError> decode(std::uint8_t first, const char* body, Version version,
                                  Sender sender = Sender::kClient) {
  const std::string raw = packet(first, bytes(body));
  const auto cut = next_frame(raw, kMaxPacketBytes);
  if (!cut) return cut.error();
  REQUIRE(cut->has_value());
  const Frame& frame = **cut;
  switch (frame.type) {
    case PacketType::kConnect:
      return error_of(decode_connect(frame));
    case PacketType::kConnack:
      return error_of(decode_connack(frame, version));
    case PacketType::kPublish:
      return error_of(decode_publish(frame, version, sender));
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return error_of(decode_ack(frame, version));
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
      return error_of(decode_subscribe(frame, version));
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      return error_of(decode_suback(frame, version));
    case PacketType::kPingreq:
    case PacketType::kPingresp:
      return error_of(decode_ping(frame));
    case PacketType::kDisconnect:
      return error_of(decode_disconnect(frame, version, sender));
    case PacketType::kAuth:
      return error_of(decode_auth(frame, version));
  }
  return std::nullopt;
}

struct Case {
  std::uint8_t first;
  const char* body;
};

void expect(Version version, ReasonCode code, const std::vector<Case>& cases,
            Sender sender = Sender::kClient) {
  for (const Case& c : cases) {
    CAPTURE(c.first);
    CAPTURE(c.body);
    const auto error = decode(c.first, c.body, version, sender);
    REQUIRE(error.has_value());
    CHECK(to_string(error->code) == to_string(code));
    CHECK_FALSE(to_string(*error).empty());
  }
}

constexpr Version k5 = Version::kV5;
constexpr Version k311 = Version::kV311;

}  // namespace

TEST_CASE("[MQTT-3.1.4-1 of 3.1.1] CONNECT that does not conform") {
  expect(k311, ReasonCode::kMalformedPacket,
         {
             {0x10, ""},
             {0x10, "00 04 'MQT'"},
             {0x10, "00 04 'MQTT' 04"},
             {0x10, "00 04 'MQTT' 04 02"},
             {0x10, "00 04 'MQTT' 04 02 00"},
             {0x10, "00 04 'MQTT' 04 02 00 3c"},                            // no client identifier
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 02 'p'"},                  // cut short
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 01 'p' 00"},               // trailing byte
             {0x10, "00 04 'MQTT' 04 03 00 3c 00 01 'p'"},                  // [MQTT-3.1.2-3]
             {0x10, "00 04 'MQTT' 04 0a 00 3c 00 01 'p'"},                  // [MQTT-3.1.2-13]
             {0x10, "00 04 'MQTT' 04 22 00 3c 00 01 'p'"},                  // [MQTT-3.1.2-15]
             {0x10, "00 04 'MQTT' 04 1e 00 3c 00 01 'p' 00 01 't' 00 00"},  // [MQTT-3.1.2-14]
             {0x10, "00 04 'MQTT' 04 06 00 3c 00 01 'p'"},                  // [MQTT-3.1.2-9]
             {0x10, "00 04 'MQTT' 04 06 00 3c 00 01 'p' 00 01 't'"},
             {0x10, "00 04 'MQTT' 04 42 00 3c 00 01 'p' 00 01 'x'"},       // [MQTT-3.1.2-22]
             {0x10, "00 04 'MQTT' 04 82 00 3c 00 01 'p'"},                 // [MQTT-3.1.2-19]
             {0x10, "00 04 'MQTT' 04 c2 00 3c 00 01 'p' 00 01 'u'"},       // [MQTT-3.1.2-21]
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 01 'p' 00 01 'u'"},       // [MQTT-3.1.2-18]
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 02 c0 80"},               // [MQTT-3.1.3-4]
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 01 00"},                  // [MQTT-1.5.3-2]
             {0x10, "00 04 'MQTT' 04 82 00 3c 00 01 'p' 00 01 ff"},        // [MQTT-3.1.3-11]
             {0x10, "00 04 'MQTT' 04 06 00 3c 00 01 'p' 00 01 ff 00 00"},  // [MQTT-3.1.3-10]
             {0x10, "00 04 'MQTT' 04 02 00 3c 00 03 ed a0 80"},            // a surrogate
         });
  expect(k311, ReasonCode::kUnsupportedProtocolVersion,
         {{0x10, "00 04 'MQTT' 03 02 00 3c 00 01 'p'"},
          {0x10, "00 04 'MQTT' 06 02 00 3c 00 01 'p'"},
          {0x10, "00 04 'mqtt' 04 02 00 3c 00 01 'p'"}});
}

TEST_CASE("[MQTT-3.1.4-1] CONNECT that does not conform") {
  expect(k5, ReasonCode::kMalformedPacket,
         {
             {0x10, "00 04 'MQTT' 05 03 00 3c 00 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c"},                              // no property length
             {0x10, "00 04 'MQTT' 05 02 00 3c 05 11 00 00 00"},               // cut short
             {0x10, "00 04 'MQTT' 05 02 00 3c 04 11 00 00 00 01 00 01 'p'"},  // length too small
             {0x10, "00 04 'MQTT' 05 02 00 3c ff ff ff ff 01 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 80 00 00 01 'p'"},     // [MQTT-1.5.5-1]
             {0x10, "00 04 'MQTT' 05 02 00 3c 02 7f 00 00 01 'p'"},  // unknown property
             {0x10, "00 04 'MQTT' 05 02 00 3c 02 00 00 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 03 23 00 01 00 01 'p'"},        // Topic Alias
             {0x10, "00 04 'MQTT' 05 02 00 3c 05 18 00 00 00 01 00 01 'p'"},  // Will Delay
             {0x10, "00 04 'MQTT' 05 02 00 3c 06 26 00 01 ff 00 00 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 06 26 00 00 00 01 00 00 01 'p'"},
             // A will whose properties are CONNECT's
             {0x10, "00 04 'MQTT' 05 06 00 3c 00 00 01 'p' 05 11 00 00 00 01 00 01 't' 00 00"},
         });
  expect(k5, ReasonCode::kProtocolError,
         {
             {0x10, "00 04 'MQTT' 05 02 00 3c 0a 11 00 00 00 01 11 00 00 00 01 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 03 21 00 00 00 01 'p'"},        // Receive Maximum 0
             {0x10, "00 04 'MQTT' 05 02 00 3c 05 27 00 00 00 00 00 01 'p'"},  // packet size 0
             {0x10, "00 04 'MQTT' 05 02 00 3c 02 17 02 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 02 19 02 00 01 'p'"},
             {0x10, "00 04 'MQTT' 05 02 00 3c 04 16 00 01 'd' 00 01 'p'"},  // without a method
             // Payload Format Indicator 2 and a Response Topic with a wildcard, in the will
             {0x10, "00 04 'MQTT' 05 06 00 3c 00 00 01 'p' 02 01 02 00 01 't' 00 00"},
             {0x10, "00 04 'MQTT' 05 06 00 3c 00 00 01 'p' 04 08 00 01 '#' 00 01 't' 00 00"},
         });
}

TEST_CASE("CONNECT of 5: a password without a user name is allowed") {
  CHECK_FALSE(decode(0x10, "00 04 'MQTT' 05 42 00 3c 00 00 01 'p' 00 01 'x'", k5).has_value());
}

TEST_CASE("CONNACK that does not conform") {
  const auto server = Sender::kServer;
  expect(k311, ReasonCode::kMalformedPacket,
         {{0x20, ""}, {0x20, "00"}, {0x20, "00 00 00"}, {0x20, "02 00"}}, server);
  expect(k311, ReasonCode::kProtocolError, {{0x20, "00 06"}, {0x20, "01 05"}}, server);
  expect(k5, ReasonCode::kMalformedPacket,
         {{0x20, "00 00"},     // no property length
          {0x20, "80 00 00"},  // [MQTT-3.2.2-1]
          {0x20, "00 00 00 00"},
          {0x20, "00 00 02 17 01"}},  // a property of CONNECT
         server);
  expect(k5, ReasonCode::kProtocolError,
         {{0x20, "00 01 00"},  // [MQTT-3.2.2-8]
          {0x20, "01 87 00"},  // [MQTT-3.2.2-6]
          {0x20, "00 8e 00"},
          {0x20, "00 00 02 24 02"},  // Maximum QoS 2
          {0x20, "00 00 02 25 02"},
          {0x20, "00 00 04 24 01 24 01"}},
         server);
}

TEST_CASE("PUBLISH that does not conform") {
  for (const Version version : {k311, k5}) {
    expect(version, ReasonCode::kMalformedPacket,
           {{0x30, ""},
            {0x30, "00"},
            {0x30, "00 02 't'"},
            {0x32, "00 01 't'"},  // no packet identifier
            {0x32, "00 01 't' 00"},
            {0x30, "00 01 '#' 00"},  // [MQTT-3.3.2-2]
            {0x30, "00 03 'a/+' 00"},
            {0x30, "00 02 c3 28 00"},      // [MQTT-3.3.2-1]
            {0x36, "00 01 't' 00 01 00"},  // [MQTT-3.3.1-4]
            {0x38, "00 01 't' 00"}});      // [MQTT-3.3.1-2]
    expect(version, ReasonCode::kProtocolError, {{0x32, "00 01 't' 00 00 00"}});
  }
  expect(k311, ReasonCode::kMalformedPacket, {{0x30, "00 00"}});
  expect(k5, ReasonCode::kMalformedPacket,
         {{0x30, "00 01 't'"},  // no property length
          {0x30, "00 01 't' 01"},
          {0x30, "00 01 't' 05 11 00 00 00 01"},  // Session Expiry Interval
          {0x30, "00 01 't' 03 1f 00 00"}});      // Reason String
  expect(k5, ReasonCode::kProtocolError,
         {{0x30, "00 00 00"},            // neither topic nor alias
          {0x30, "00 01 't' 02 01 02"},  // Payload Format Indicator 2
          {0x30, "00 01 't' 04 01 01 01 01"},
          {0x30, "00 01 't' 04 08 00 01 '+'"},  // [MQTT-3.3.2-14]
          {0x30, "00 01 't' 03 08 00 00"},
          {0x30, "00 01 't' 02 0b 01"},  // [MQTT-3.3.4-6]
          {0x30, "00 01 't' 02 0b 00"}});
  expect(k5, ReasonCode::kTopicAliasInvalid, {{0x30, "00 01 't' 03 23 00 00"}});  // [MQTT-3.3.2-8]
}

TEST_CASE("PUBLISH of a server may carry several subscription identifiers") {
  CHECK_FALSE(decode(0x30, "00 01 't' 05 0b 01 0b 80 01", k5, Sender::kServer).has_value());
}

TEST_CASE("acknowledgements that do not conform") {
  for (const std::uint8_t first : std::initializer_list<std::uint8_t>{0x40, 0x50, 0x62, 0x70}) {
    for (const Version version : {k311, k5}) {
      expect(version, ReasonCode::kMalformedPacket, {{first, ""}, {first, "00"}});
      expect(version, ReasonCode::kProtocolError, {{first, "00 00"}});
    }
    expect(k311, ReasonCode::kMalformedPacket, {{first, "00 01 00"}, {first, "00 01 00 00"}});
    expect(k5, ReasonCode::kMalformedPacket,
           {{first, "00 01 00 00 00"}, {first, "00 01 00 01"}, {first, "00 01 00 02 01 01"}});
    expect(k5, ReasonCode::kProtocolError,
           {{first, "00 01 01"},
            {first, "00 01 8e"},
            {first, "00 01 00 06 1f 00 00 1f 00 00"}});  // two Reason Strings
  }
  expect(k5, ReasonCode::kProtocolError, {{0x40, "00 01 92"}, {0x62, "00 01 87"}});
}

TEST_CASE("SUBSCRIBE and UNSUBSCRIBE that do not conform") {
  for (const std::uint8_t first : std::initializer_list<std::uint8_t>{0x82, 0xA2}) {
    expect(k311, ReasonCode::kMalformedPacket,
           {{first, ""},
            {first, "00"},
            {first, "00 01 00"},
            {first, "00 01 00 02 'a'"},
            {first, "00 01 00 01 ff 00"}});
    expect(k311, ReasonCode::kProtocolError,
           {{first, "00 01"},  // [MQTT-3.8.3-3] [MQTT-3.10.3-2]
            {first, "00 00 00 01 'a' 00"}});
    expect(k5, ReasonCode::kMalformedPacket,
           {{first, "00 01"}, {first, "00 01 05"}, {first, "00 01 02 01 01 00 01 'a' 00"}});
    expect(k5, ReasonCode::kProtocolError, {{first, "00 01 00"}});  // [MQTT-3.8.3-2]
  }
  expect(k311, ReasonCode::kMalformedPacket,
         {{0x82, "00 01 00 01 'a'"},     // no QoS
          {0x82, "00 01 00 01 'a' 04"},  // [MQTT-3.8.3-4]
          {0x82, "00 01 00 01 'a' 80"},
          {0x82, "00 01 00 01 'a' 03"},
          {0xA2, "00 01 00 01 'a' 01"}});  // an option where none belongs
  expect(k5, ReasonCode::kMalformedPacket,
         {{0x82, "00 01 00 00 01 'a' 40"},  // [MQTT-3.8.3-5]
          {0x82, "00 01 00 00 01 'a' 80"},
          {0xA2, "00 01 02 0b 01 00 01 'a'"}});  // no Subscription Identifier in UNSUBSCRIBE
  expect(k5, ReasonCode::kProtocolError,
         {{0x82, "00 01 00 00 01 'a' 03"},
          {0x82, "00 01 00 00 01 'a' 30"},           // Retain Handling 3
          {0x82, "00 01 00 00 0a '$share/g/a' 04"},  // [MQTT-3.8.3-4]
          {0x82, "00 01 02 0b 00 00 01 'a' 00"},
          {0x82, "00 01 04 0b 01 0b 02 00 01 'a' 00"}});
}

TEST_CASE("SUBACK and UNSUBACK that do not conform") {
  const auto server = Sender::kServer;
  expect(k311, ReasonCode::kMalformedPacket, {{0x90, ""}, {0x90, "00 01"}, {0xB0, "00 01 00"}},
         server);
  expect(k311, ReasonCode::kProtocolError, {{0x90, "00 01 03"}, {0x90, "00 00 00"}}, server);
  expect(k5, ReasonCode::kMalformedPacket, {{0x90, "00 01 00"}, {0xB0, "00 01 00"}}, server);
  expect(k5, ReasonCode::kProtocolError,
         {{0x90, "00 01 00 03"}, {0x90, "00 01 00 11"}, {0xB0, "00 01 00 01"}}, server);
}

TEST_CASE("DISCONNECT, AUTH and pings that do not conform") {
  for (const Version version : {k311, k5}) {
    expect(version, ReasonCode::kMalformedPacket, {{0xC0, "00"}, {0xD0, "00"}});
  }
  expect(k311, ReasonCode::kMalformedPacket, {{0xE0, "00"}, {0xF0, ""}});
  expect(k5, ReasonCode::kMalformedPacket,
         {{0xE0, "00 01"}, {0xE0, "00 00 00"}, {0xF0, "18"}, {0xF0, "00 00 00"}});
  expect(k5, ReasonCode::kProtocolError,
         {{0xE0, "8b"},  // a server's code
          {0xE0, "01"},
          {0xE0, "9c 04 1c 00 01 's'"},
          {0xE0, "00 04 1c 00 01 's'"},  // a server's property
          {0xF0, "87 00"},               // [MQTT-3.15.2-1]
          {0xF0, "18 04 16 00 01 'd'"}});
  // [MQTT-3.14.2-2]
  expect(k5, ReasonCode::kProtocolError, {{0xE0, "00 05 11 00 00 00 01"}, {0xE0, "04"}},
         Sender::kServer);
  CHECK_FALSE(decode(0xE0, "00 05 11 00 00 00 01", k5, Sender::kClient).has_value());
  CHECK_FALSE(decode(0xE0, "9c 04 1c 00 01 's'", k5, Sender::kServer).has_value());
}

TEST_CASE("an error names the property it is about") {
  const auto error = decode(0x10, "00 04 'MQTT' 05 02 00 3c 03 21 00 00 00 01 'p'", k5);
  REQUIRE(error.has_value());
  CHECK(to_string(*error) == "Receive Maximum: value out of range");
}

}  // namespace kscpush::mqtt

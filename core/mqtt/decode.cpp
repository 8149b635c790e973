#include "core/mqtt/codec.hpp"
#include "core/mqtt/topics.hpp"
#include "core/mqtt/wire.hpp"

namespace kscpush::mqtt {
namespace {

tl::unexpected<DecodeError> malformed(std::string_view text) {
  return tl::unexpected<DecodeError>(DecodeError{ReasonCode::kMalformedPacket, text, {}});
}

// Ends the reading of a packet: VALUE if all went well and nothing is left.
template <class T>
Decoded<T> finish(Reader& reader, T& value) {
  reader.expect_end();
  if (reader.failed()) return tl::unexpected<DecodeError>(reader.error());
  return std::move(value);
}

// [MQTT-2.1.3-1]
std::string_view flags_error(PacketType type, std::uint8_t flags) {
  if (type == PacketType::kPublish) {
    const unsigned qos = flags >> 1 & 3U;
    if (qos == 3) return "PUBLISH with QoS 3";
    if (qos == 0 && (flags & 8) != 0) return "PUBLISH with DUP and QoS 0";
    return {};
  }
  const bool two = type == PacketType::kPubrel || type == PacketType::kSubscribe ||
                   type == PacketType::kUnsubscribe;
  if (flags != (two ? 2 : 0)) return "reserved flags in the fixed header";
  return {};
}

constexpr std::uint8_t kUsernameFlag = 0x80;
constexpr std::uint8_t kPasswordFlag = 0x40;
constexpr std::uint8_t kWillRetainFlag = 0x20;
constexpr std::uint8_t kWillQosFlags = 0x18;
constexpr std::uint8_t kWillFlag = 0x04;
constexpr std::uint8_t kCleanStartFlag = 0x02;
constexpr std::uint8_t kReservedFlag = 0x01;

void check_connect_flags(Reader& reader, std::uint8_t flags, Version version) {
  if ((flags & kReservedFlag) != 0) reader.malformed("reserved connect flag set");
  if ((flags & kWillFlag) == 0 && (flags & (kWillQosFlags | kWillRetainFlag)) != 0) {
    reader.malformed("will QoS or retain without a will");
  }
  if ((flags & kWillQosFlags) == kWillQosFlags) reader.malformed("will QoS 3");
  // [MQTT-3.1.2-22] of 3.1.1; MQTT 5 allows it.
  if (version == Version::kV311 && (flags & kUsernameFlag) == 0 && (flags & kPasswordFlag) != 0) {
    reader.malformed("password without user name");
  }
}

WillFields read_will(Reader& reader, std::uint8_t flags, Version version) {
  WillFields will;
  will.qos = static_cast<std::uint8_t>((flags & kWillQosFlags) >> 3);
  will.retain = (flags & kWillRetainFlag) != 0;
  if (version == Version::kV5) {
    will.properties = read_properties(reader, PacketType::kConnect, PropertyPlace::kWill);
  }
  will.topic = reader.string();
  // [MQTT-4.7.0-1] [MQTT-4.7.3-1]
  if (!reader.failed() && !is_topic_name(will.topic))
    reader.malformed("will topic is no topic name");
  will.payload = reader.binary();
  return will;
}

// All that follows the protocol level.
Connect read_connect(Reader& reader, Version version) {
  Connect packet;
  packet.version = version;
  const std::uint8_t flags = reader.u8();
  check_connect_flags(reader, flags, version);
  packet.clean_start = (flags & kCleanStartFlag) != 0;
  packet.keep_alive_s = reader.u16();
  if (version == Version::kV5) packet.properties = read_properties(reader, PacketType::kConnect);
  packet.client_id = reader.string();
  if ((flags & kWillFlag) != 0) packet.will = read_will(reader, flags, version);
  if ((flags & kUsernameFlag) != 0) packet.username = reader.string();
  if ((flags & kPasswordFlag) != 0) packet.password = reader.binary();
  return packet;
}

void check_filter_options(Reader& reader, std::uint8_t options, Version version,
                          std::string_view filter) {
  if (version == Version::kV311) {
    if ((options & 0xFC) != 0) reader.malformed("reserved bits in the requested QoS");
    if ((options & 3) == 3) reader.malformed("requested QoS 3");
    return;
  }
  if ((options & 0xC0) != 0) reader.malformed("reserved bits in the subscription options");
  if ((options & 3) == 3) reader.protocol_error("requested QoS 3");
  if ((options & 0x30) == 0x30) reader.protocol_error("Retain Handling 3");
  // [MQTT-3.8.3-4]
  if ((options & 4) != 0 && filter_kind(filter, version) == FilterKind::kShared) {
    reader.protocol_error("No Local on a shared subscription");
  }
}

std::string_view check_filters(Reader& reader, PacketType type, Version version) {
  const std::string_view filters = reader.unread();
  if (reader.at_end()) reader.protocol_error("no topic filter");
  while (!reader.at_end()) {
    const std::string_view filter = reader.string();
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    if (!reader.failed() && filter_kind(filter, version) == FilterKind::kIllFormed) {
      reader.malformed("ill-formed topic filter");
    }
    if (type == PacketType::kSubscribe) {
      const std::uint8_t options = reader.u8();
      check_filter_options(reader, options, version, filter);
    }
  }
  return filters;
}

ReasonCode read_reason_code(Reader& reader, PacketType type, Sender sender) {
  const auto code = static_cast<ReasonCode>(reader.u8());
  if (!reader.failed() && !is_reason_code_of(type, code, sender)) {
    reader.protocol_error("reason code that this packet does not have");
  }
  return code;
}

bool is_suback_311_code(std::uint8_t code) {
  return code <= 2 || code == 0x80;
}

}  // namespace

std::string to_string(const DecodeError& error) {
  std::string text(error.subject);
  if (!text.empty()) text.append(": ");
  return text.append(error.text);
}

Decoded<std::optional<Frame>> next_frame(std::string_view bytes, std::uint32_t max_bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  if (first >> 4 == 0) return malformed("packet type 0");
  Frame frame;
  frame.type = static_cast<PacketType>(first >> 4);
  frame.flags = first & 0x0F;
  const std::string_view wrong = flags_error(frame.type, frame.flags);
  if (!wrong.empty()) return malformed(wrong);

  std::size_t length = 0;
  std::size_t header = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28) return malformed("remaining length of more than four bytes");
    if (header == bytes.size()) return std::nullopt;
    const auto byte = static_cast<std::uint8_t>(bytes[header++]);
    length |= static_cast<std::size_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && shift > 0) return malformed("remaining length in more bytes than needed");
    break;
  }
  frame.size = header + length;
  if (frame.size > max_bytes) {
    return tl::unexpected<DecodeError>(
        DecodeError{ReasonCode::kPacketTooLarge, "packet larger than allowed", {}});
  }
  if (frame.size > bytes.size()) return std::nullopt;
  frame.body = bytes.substr(header, length);
  return frame;
}

Decoded<Protocol> decode_protocol(const Frame& frame) {
  Reader reader(frame.body);
  Protocol protocol;
  protocol.name = reader.string();
  protocol.level = reader.u8();
  if (reader.failed()) return tl::unexpected<DecodeError>(reader.error());
  return protocol;
}

Decoded<Connect> decode_connect(const Frame& frame) {
  Reader reader(frame.body);
  const std::string_view name = reader.string();
  const std::uint8_t level = reader.u8();
  if (!reader.failed() && (name != "MQTT" || (level != 4 && level != 5))) {
    reader.fail(
        {ReasonCode::kUnsupportedProtocolVersion, "protocol other than MQTT 3.1.1 and 5.0", {}});
  }
  Connect packet = read_connect(reader, static_cast<Version>(level));
  return finish(reader, packet);
}

Version connect_layout(const Frame& frame) {
  std::uint8_t level = 0;
  for (const Version version : {Version::kV5, Version::kV311}) {
    Reader reader(frame.body);
    static_cast<void>(reader.string());
    level = reader.u8();
    static_cast<void>(read_connect(reader, version));
    reader.expect_end();
    if (!reader.failed()) return version;
  }
  return level > static_cast<std::uint8_t>(Version::kV311) ? Version::kV5 : Version::kV311;
}

Decoded<Connack> decode_connack(const Frame& frame, Version version) {
  Reader reader(frame.body);
  Connack packet;
  const std::uint8_t flags = reader.u8();
  if ((flags & 0xFE) != 0) reader.malformed("reserved bits in the connect acknowledge flags");
  packet.session_present = (flags & 1) != 0;
  if (version == Version::kV5) {
    packet.code =
        static_cast<std::uint8_t>(read_reason_code(reader, PacketType::kConnack, Sender::kServer));
    packet.properties = read_properties(reader, PacketType::kConnack);
  } else {
    packet.code = reader.u8();
    if (packet.code > 5) reader.protocol_error("reserved return code");
  }
  // [MQTT-3.2.2-6]
  if (packet.session_present && packet.code != 0) {
    reader.protocol_error("session present in a refusal");
  }
  return finish(reader, packet);
}

Decoded<Publish> decode_publish(const Frame& frame, Version version, Sender sender) {
  Reader reader(frame.body);
  Publish packet;
  packet.dup = (frame.flags & 8) != 0;
  packet.qos = frame.flags >> 1 & 3;
  packet.retain = (frame.flags & 1) != 0;
  packet.topic = reader.string();
  if (packet.qos > 0) packet.packet_id = reader.packet_id();
  if (version == Version::kV5) packet.properties = read_properties(reader, PacketType::kPublish);
  if (reader.failed()) return tl::unexpected<DecodeError>(reader.error());

  if (packet.topic.empty()) {
    if (version == Version::kV311) return malformed("empty topic name");
    if (!packet.properties.has(Property::kTopicAlias)) {
      reader.protocol_error("neither topic name nor Topic Alias");
    }
  } else if (!is_topic_name(packet.topic)) {
    reader.malformed("topic name with a wildcard");  // [MQTT-3.3.2-2]
  }
  // [MQTT-3.3.4-6]
  if (sender == Sender::kClient && packet.properties.has(Property::kSubscriptionIdentifier)) {
    reader.protocol_error("from a client", "Subscription Identifier");
  }
  if (!reader.failed()) packet.payload = reader.rest();
  return finish(reader, packet);
}

Decoded<Ack> decode_ack(const Frame& frame, Version version) {
  Reader reader(frame.body);
  Ack packet;
  packet.type = frame.type;
  packet.packet_id = reader.packet_id();
  // MQTT 5: what is left out at the end is success, and no properties.
  if (version == Version::kV5 && !reader.at_end()) {
    packet.code = read_reason_code(reader, frame.type, Sender::kServer);
    if (!reader.at_end()) packet.properties = read_properties(reader, frame.type);
  }
  return finish(reader, packet);
}

Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version) {
  Reader reader(frame.body);
  Subscribe packet;
  packet.type = frame.type;
  packet.packet_id = reader.packet_id();
  if (version == Version::kV5) packet.properties = read_properties(reader, frame.type);
  if (!reader.failed()) packet.filters = check_filters(reader, frame.type, version);
  return finish(reader, packet);
}

Decoded<Suback> decode_suback(const Frame& frame, Version version) {
  Reader reader(frame.body);
  Suback packet;
  packet.type = frame.type;
  packet.packet_id = reader.packet_id();
  if (version == Version::kV5) packet.properties = read_properties(reader, frame.type);
  if (version == Version::kV311 && frame.type == PacketType::kUnsuback) {
    return finish(reader, packet);
  }
  packet.codes = reader.rest();
  if (packet.codes.empty()) reader.malformed("no reason codes");
  for (const char c : packet.codes) {
    const auto code = static_cast<std::uint8_t>(c);
    const bool known =
        version == Version::kV5
            ? is_reason_code_of(frame.type, static_cast<ReasonCode>(code), Sender::kServer)
            : is_suback_311_code(code);
    if (!known) reader.protocol_error("reason code that this packet does not have");
  }
  return finish(reader, packet);
}

Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version, Sender sender) {
  Reader reader(frame.body);
  Disconnect packet;
  if (version == Version::kV5 && !reader.at_end()) {
    packet.code = read_reason_code(reader, frame.type, sender);
    if (!reader.at_end()) packet.properties = read_properties(reader, frame.type);
  }
  // [MQTT-3.14.2-2], and a Server Reference is a server's.
  const bool from_client = sender == Sender::kClient;
  if (!from_client && packet.properties.has(Property::kSessionExpiry)) {
    reader.protocol_error("from a server", "Session Expiry Interval");
  }
  if (from_client && packet.properties.has(Property::kServerReference)) {
    reader.protocol_error("from a client", "Server Reference");
  }
  return finish(reader, packet);
}

Decoded<Auth> decode_auth(const Frame& frame, Version version) {
  if (version == Version::kV311) return malformed("packet type 15 in MQTT 3.1.1");
  Reader reader(frame.body);
  Auth packet;
  if (!reader.at_end()) {
    packet.code = read_reason_code(reader, frame.type, Sender::kServer);
    packet.properties = read_properties(reader, frame.type);
  }
  return finish(reader, packet);
}

Decoded<void> decode_ping(const Frame& frame) {
  if (!frame.body.empty()) return malformed("bytes after the fixed header");
  return {};
}

std::optional<Subscription> FilterReader::next() {
  if (rest_.empty()) return std::nullopt;
  Reader reader(rest_);
  Subscription subscription;
  subscription.filter = reader.binary();
  if (type_ == PacketType::kSubscribe) {
    const std::uint8_t options = reader.u8();
    subscription.qos = options & 3;
    subscription.no_local = (options & 4) != 0;
    subscription.retain_as_published = (options & 8) != 0;
    subscription.retain_handling = options >> 4 & 3;
  }
  rest_ = reader.unread();
  return subscription;
}

}  // namespace kscpush::mqtt

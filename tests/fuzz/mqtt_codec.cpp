// Any bytes, decoded as either end would, in both versions. What decodes must encode, and decode
// again to the same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/mqtt/codec.hpp"

namespace {

using namespace kscpush::mqtt;

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

bool same(const Properties& a, const Properties& b) {
  for (unsigned id = 0x01; id <= 0x2A; ++id) {
    const auto property = static_cast<Property>(id);
    if (a.has(property) != b.has(property)) return false;
  }
  for (const Property property :
       {Property::kPayloadFormat, Property::kMessageExpiry, Property::kSessionExpiry,
        Property::kServerKeepAlive, Property::kRequestProblemInformation, Property::kWillDelay,
        Property::kRequestResponseInformation, Property::kReceiveMaximum,
        Property::kTopicAliasMaximum, Property::kTopicAlias, Property::kMaximumQos,
        Property::kRetainAvailable, Property::kMaximumPacketSize,
        Property::kWildcardSubscriptionAvailable, Property::kSubscriptionIdentifierAvailable,
        Property::kSharedSubscriptionAvailable}) {
    if (a.number(property) != b.number(property)) return false;
  }
  for (const Property property :
       {Property::kContentType, Property::kResponseTopic, Property::kCorrelationData,
        Property::kAssignedClientIdentifier, Property::kAuthenticationMethod,
        Property::kAuthenticationData, Property::kResponseInformation, Property::kServerReference,
        Property::kReasonString}) {
    if (a.text(property) != b.text(property)) return false;
  }
  return a.user_property("kscpush-agent") == b.user_property("kscpush-agent");
}

bool same(const WillFields& a, const WillFields& b) {
  return a.topic == b.topic && a.payload == b.payload && a.qos == b.qos && a.retain == b.retain &&
         same(a.properties, b.properties);
}

bool same(const Connect& a, const Connect& b) {
  return a.version == b.version && a.clean_start == b.clean_start &&
         a.keep_alive_s == b.keep_alive_s && same(a.properties, b.properties) &&
         a.client_id == b.client_id && a.username == b.username && a.password == b.password &&
         a.will.has_value() == b.will.has_value() && (!a.will || same(*a.will, *b.will));
}

bool same(const Connack& a, const Connack& b) {
  return a.session_present == b.session_present && a.code == b.code &&
         same(a.properties, b.properties);
}

bool same(const Publish& a, const Publish& b) {
  return a.dup == b.dup && a.qos == b.qos && a.retain == b.retain && a.topic == b.topic &&
         a.packet_id == b.packet_id && same(a.properties, b.properties) && a.payload == b.payload;
}

bool same(const Ack& a, const Ack& b) {
  return a.type == b.type && a.packet_id == b.packet_id && a.code == b.code &&
         same(a.properties, b.properties);
}

bool same(const Subscribe& a, const Subscribe& b) {
  return a.type == b.type && a.packet_id == b.packet_id && same(a.properties, b.properties) &&
         a.filters == b.filters;
}

bool same(const Suback& a, const Suback& b) {
  return a.type == b.type && a.packet_id == b.packet_id && same(a.properties, b.properties) &&
         a.codes == b.codes;
}

bool same(const Disconnect& a, const Disconnect& b) {
  return a.code == b.code && same(a.properties, b.properties);
}

bool same(const Auth& a, const Auth& b) {
  return a.code == b.code && same(a.properties, b.properties);
}

// DECODE and ENCODE are those of one kind of packet.
template <class Decode, class Encode>
void round_trip(const Frame& frame, Decode decode, Encode encode) {
  const auto packet = decode(frame);
  if (!packet) {
    require(is_error(packet.error().code));
    require(!packet.error().text.empty());
    return;
  }
  std::string first;
  require(encode(*packet, first));
  const auto again = next_frame(first, kMaxPacketBytes);
  require(again && *again && (*again)->size == first.size());
  const auto decoded = decode(**again);
  require(decoded.has_value());
  require(same(*packet, *decoded));
  std::string second;
  require(encode(*decoded, second));
  require(first == second);
}

// Re-writes the filters one by one: the same bytes.
void check_filters(const Frame& frame, Version version) {
  const auto packet = decode_subscribe(frame, version);
  if (!packet) return;
  std::string filters;
  FilterReader reader(*packet);
  while (const auto subscription = reader.next()) {
    append_filter(filters, packet->type, *subscription);
  }
  require(filters == packet->filters);
}

void check(const Frame& frame, Version version, Sender sender) {
  const auto with_version = [&](const auto& packet, std::string& out) {
    return encode(packet, version, out);
  };
  const auto plain = [](const auto& packet, std::string& out) { return encode(packet, out); };
  switch (frame.type) {
    case PacketType::kConnect:
      static_cast<void>(decode_protocol(frame));
      return round_trip(frame, decode_connect, plain);
    case PacketType::kConnack:
      return round_trip(
          frame, [&](const Frame& f) { return decode_connack(f, version); }, with_version);
    case PacketType::kPublish:
      return round_trip(
          frame, [&](const Frame& f) { return decode_publish(f, version, sender); }, with_version);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return round_trip(
          frame, [&](const Frame& f) { return decode_ack(f, version); }, with_version);
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
      check_filters(frame, version);
      return round_trip(
          frame, [&](const Frame& f) { return decode_subscribe(f, version); }, with_version);
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      return round_trip(
          frame, [&](const Frame& f) { return decode_suback(f, version); }, with_version);
    case PacketType::kDisconnect:
      return round_trip(
          frame, [&](const Frame& f) { return decode_disconnect(f, version, sender); },
          with_version);
    case PacketType::kAuth:
      return round_trip(
          frame, [&](const Frame& f) { return decode_auth(f, version); }, plain);
    case PacketType::kPingreq:
    case PacketType::kPingresp:
      require(decode_ping(frame).has_value() == frame.body.empty());
      return;
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own for each input, so that reading past its end is seen.
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::string_view rest = input;
  while (true) {
    const auto frame = next_frame(rest, 1 << 20);
    if (!frame || !*frame) return 0;
    require((*frame)->size <= rest.size());
    for (const Version version : {Version::kV311, Version::kV5}) {
      for (const Sender sender : {Sender::kClient, Sender::kServer}) {
        check(**frame, version, sender);
      }
    }
    rest.remove_prefix((*frame)->size);
  }
}

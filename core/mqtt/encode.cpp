#include "core/mqtt/codec.hpp"
#include "core/mqtt/wire.hpp"

namespace kscpush::mqtt {
namespace {

// Each write_body() runs twice: into a Counter, for the lengths that come first, and into a Writer.

std::uint8_t connect_flags(const Connect& packet) {
  unsigned flags = 0;
  if (packet.username) flags |= 0x80;
  if (packet.password) flags |= 0x40;
  if (packet.will) {
    flags |= 0x04U | unsigned{packet.will->qos} << 3;
    if (packet.will->retain) flags |= 0x20;
  }
  if (packet.clean_start) flags |= 0x02;
  return static_cast<std::uint8_t>(flags);
}

template <class Sink>
void write_body(Sink& sink, const Connect& packet, Version version) {
  sink.binary("MQTT");
  sink.u8(static_cast<std::uint8_t>(version));
  sink.u8(connect_flags(packet));
  sink.u16(packet.keep_alive_s);
  if (version == Version::kV5) write_properties(sink, packet.properties);
  sink.binary(packet.client_id);
  if (packet.will) {
    if (version == Version::kV5) write_properties(sink, packet.will->properties);
    sink.binary(packet.will->topic);
    sink.binary(packet.will->payload);
  }
  if (packet.username) sink.binary(*packet.username);
  if (packet.password) sink.binary(*packet.password);
}

template <class Sink>
void write_body(Sink& sink, const Connack& packet, Version version) {
  sink.u8(packet.session_present ? 1 : 0);
  sink.u8(packet.code);
  if (version == Version::kV5) write_properties(sink, packet.properties);
}

template <class Sink>
void write_body(Sink& sink, const Publish& packet, Version version) {
  sink.binary(packet.topic);
  if (packet.qos > 0) sink.u16(packet.packet_id);
  if (version == Version::kV5) write_properties(sink, packet.properties);
  sink.bytes(packet.payload);
}

// Code and properties at the end of a packet are left out when they say nothing.
template <class Sink>
void write_reason(Sink& sink, ReasonCode code, const Properties& properties) {
  if (code == ReasonCode::kSuccess && properties.empty()) return;
  sink.u8(static_cast<std::uint8_t>(code));
  if (!properties.empty()) write_properties(sink, properties);
}

template <class Sink>
void write_body(Sink& sink, const Ack& packet, Version version) {
  sink.u16(packet.packet_id);
  if (version == Version::kV5) write_reason(sink, packet.code, packet.properties);
}

template <class Sink>
void write_body(Sink& sink, const Subscribe& packet, Version version) {
  sink.u16(packet.packet_id);
  if (version == Version::kV5) write_properties(sink, packet.properties);
  sink.bytes(packet.filters);
}

template <class Sink>
void write_body(Sink& sink, const Suback& packet, Version version) {
  sink.u16(packet.packet_id);
  if (version == Version::kV5) write_properties(sink, packet.properties);
  if (version == Version::kV5 || packet.type == PacketType::kSuback) sink.bytes(packet.codes);
}

template <class Sink>
void write_body(Sink& sink, const Disconnect& packet, Version version) {
  if (version == Version::kV5) write_reason(sink, packet.code, packet.properties);
}

template <class Sink>
void write_body(Sink& sink, const Auth& packet, Version) {
  if (packet.code == ReasonCode::kSuccess && packet.properties.empty()) return;
  sink.u8(static_cast<std::uint8_t>(packet.code));
  write_properties(sink, packet.properties);
}

template <class Packet>
bool write_packet(PacketType type, unsigned flags, const Packet& packet, Version version,
                  std::string& out, std::uint32_t max_bytes) {
  Counter body;
  write_body(body, packet, version);
  if (!body.fits() || body.size() > kMaxPacketBytes - 5) return false;
  Counter header;
  header.varint(static_cast<std::uint32_t>(body.size()));
  const std::size_t bytes = 1 + header.size() + body.size();
  if (bytes > max_bytes) return false;
  Writer writer(out, bytes);
  writer.u8(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags));
  writer.varint(static_cast<std::uint32_t>(body.size()));
  write_body(writer, packet, version);
  return true;
}

}  // namespace

bool encode(const Connect& packet, std::string& out, std::uint32_t max_bytes) {
  return write_packet(PacketType::kConnect, 0, packet, packet.version, out, max_bytes);
}

bool encode(const Connack& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  return write_packet(PacketType::kConnack, 0, packet, version, out, max_bytes);
}

bool encode(const Publish& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  const unsigned flags =
      (packet.dup ? 8U : 0U) | unsigned{packet.qos} << 1 | (packet.retain ? 1U : 0U);
  return write_packet(PacketType::kPublish, flags, packet, version, out, max_bytes);
}

bool encode(const Ack& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  const unsigned flags = packet.type == PacketType::kPubrel ? 2 : 0;
  return write_packet(packet.type, flags, packet, version, out, max_bytes);
}

bool encode(const Subscribe& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  return write_packet(packet.type, 2, packet, version, out, max_bytes);
}

bool encode(const Suback& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  return write_packet(packet.type, 0, packet, version, out, max_bytes);
}

bool encode(const Disconnect& packet, Version version, std::string& out, std::uint32_t max_bytes) {
  return write_packet(PacketType::kDisconnect, 0, packet, version, out, max_bytes);
}

bool encode(const Auth& packet, std::string& out, std::uint32_t max_bytes) {
  return write_packet(PacketType::kAuth, 0, packet, Version::kV5, out, max_bytes);
}

void encode_pingreq(std::string& out) {
  out.append("\xC0\x00", 2);
}
void encode_pingresp(std::string& out) {
  out.append("\xD0\x00", 2);
}

void append_filter(std::string& filters, PacketType type, const Subscription& subscription) {
  const unsigned options = unsigned{subscription.qos} | (subscription.no_local ? 4U : 0U) |
                           (subscription.retain_as_published ? 8U : 0U) |
                           unsigned{subscription.retain_handling} << 4;
  append(filters, [&](auto& sink) {
    sink.binary(subscription.filter);
    if (type == PacketType::kSubscribe) sink.u8(static_cast<std::uint8_t>(options));
  });
}

}  // namespace kscpush::mqtt

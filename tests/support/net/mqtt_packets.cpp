#include "tests/support/net/mqtt_packets.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "core/mqtt/codec.hpp"
#include "core/push.hpp"

namespace kscpush::test {
namespace {

using mqtt::PacketType;
using mqtt::Property;

template <class T>
T decoded(mqtt::Decoded<T> packet) {
  if (!packet) throw std::runtime_error("the server sent " + mqtt::to_string(packet.error()));
  return *packet;
}

template <class Packet>
std::string encoded(const Packet& packet, mqtt::Version version) {
  std::string out;
  if (!encode(packet, version, out)) throw std::runtime_error("cannot encode");
  return out;
}

std::string filter_packet(const ConnectSpec& spec, PacketType type, std::uint8_t qos,
                          std::uint16_t packet_id) {
  const auto inbox = mqtt::inbox_topic(spec.id);
  std::string filters;
  append_filter(filters, type, {inbox, qos, false, false, 0});
  mqtt::Subscribe packet;
  packet.type = type;
  packet.packet_id = packet_id;
  packet.filters = filters;
  return encoded(packet, spec.version);
}

ServerPacket read_publish(const mqtt::Frame& frame, mqtt::Version version) {
  const auto publish = decoded(decode_publish(frame, version, mqtt::Sender::kServer));
  ServerPacket packet;
  packet.dup = publish.dup;
  packet.qos = publish.qos;
  packet.packet_id = publish.packet_id;
  packet.topic = publish.topic;
  packet.payload = publish.payload;
  packet.correlation = publish.properties.text(Property::kCorrelationData);
  if (publish.properties.has(Property::kMessageExpiry)) {
    packet.expires_s = publish.properties.number(Property::kMessageExpiry);
  }
  return packet;
}

ServerPacket read_packet(const mqtt::Frame& frame, mqtt::Version version) {
  ServerPacket packet;
  switch (frame.type) {
    case PacketType::kConnack: {
      const auto connack = decoded(decode_connack(frame, version));
      packet.code = connack.code;
      packet.session_present = connack.session_present;
      packet.server_reference = connack.properties.text(Property::kServerReference);
      break;
    }
    case PacketType::kPublish:
      packet = read_publish(frame, version);
      break;
    case PacketType::kPuback: {
      const auto ack = decoded(decode_ack(frame, version));
      packet.packet_id = ack.packet_id;
      packet.code = static_cast<std::uint8_t>(ack.code);
      break;
    }
    case PacketType::kSuback:
    case PacketType::kUnsuback: {
      const auto suback = decoded(decode_suback(frame, version));
      packet.packet_id = suback.packet_id;
      packet.code = suback.codes.empty() ? 0 : static_cast<std::uint8_t>(suback.codes[0]);
      break;
    }
    case PacketType::kPingresp:
      if (!decode_ping(frame)) throw std::runtime_error("the server sent a PINGRESP that is none");
      break;
    case PacketType::kDisconnect: {
      const auto bye = decoded(decode_disconnect(frame, version, mqtt::Sender::kServer));
      packet.code = static_cast<std::uint8_t>(bye.code);
      packet.server_reference = bye.properties.text(Property::kServerReference);
      break;
    }
    default:
      throw std::runtime_error(fmt::format("the server sent {}", mqtt::to_string(frame.type)));
  }
  packet.type = frame.type;
  return packet;
}

std::string describe(const std::string& payload) {
  const auto push = decode_push(payload);
  return push ? fmt::format("{} {}", push->kind, push->id.str()) : payload;
}

}  // namespace

std::string connect_bytes(const ConnectSpec& spec) {
  mqtt::Connect packet;
  packet.version = spec.version;
  packet.clean_start = spec.clean_start;
  packet.keep_alive_s = spec.keep_alive_s;
  packet.client_id = spec.id;
  std::string user_properties;
  if (spec.session_expiry_s > 0) {
    packet.properties.set(Property::kSessionExpiry, spec.session_expiry_s);
  }
  if (spec.receive_maximum > 0) {
    packet.properties.set(Property::kReceiveMaximum, spec.receive_maximum);
  }
  if (spec.max_packet_bytes > 0) {
    packet.properties.set(Property::kMaximumPacketSize, spec.max_packet_bytes);
  }
  if (!spec.agent.empty()) {
    mqtt::append_user_property(user_properties, {"kscpush-agent", spec.agent});
    packet.properties.set_repeated(user_properties);
  }
  const auto will_topic = mqtt::up_topic_name(spec.id, spec.will_topic);
  if (!spec.will.empty()) {
    packet.will = mqtt::WillFields{will_topic, spec.will, 1, false, {}};
    if (spec.will_delay_s > 0) {
      packet.will->properties.set(Property::kWillDelay, spec.will_delay_s);
    }
  }
  std::string out;
  if (!encode(packet, out)) throw std::runtime_error("cannot encode CONNECT");
  return out;
}

std::string subscribe_bytes(const ConnectSpec& spec, std::uint8_t qos, std::uint16_t packet_id) {
  return filter_packet(spec, PacketType::kSubscribe, qos, packet_id);
}

std::string unsubscribe_bytes(const ConnectSpec& spec, std::uint16_t packet_id) {
  return filter_packet(spec, PacketType::kUnsubscribe, 0, packet_id);
}

std::string publish_bytes(const ConnectSpec& spec, mqtt::UpTopic topic, std::string_view payload,
                          std::uint16_t packet_id) {
  const auto name = mqtt::up_topic_name(spec.id, topic);
  mqtt::Publish packet;
  packet.qos = packet_id == 0 ? 0 : 1;
  packet.packet_id = packet_id;
  packet.topic = name;
  packet.payload = payload;
  return encoded(packet, spec.version);
}

std::string puback_bytes(const ConnectSpec& spec, std::uint16_t packet_id, mqtt::ReasonCode code) {
  mqtt::Ack packet;
  packet.packet_id = packet_id;
  packet.code = code;
  return encoded(packet, spec.version);
}

std::string pingreq_bytes(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) mqtt::encode_pingreq(out);
  return out;
}

std::string disconnect_bytes(const ConnectSpec& spec, mqtt::ReasonCode code) {
  return encoded(mqtt::Disconnect{code, {}}, spec.version);
}

std::string to_string(const ServerPacket& packet) {
  switch (packet.type) {
    case PacketType::kConnack:
      return fmt::format("connack {:x}{}", packet.code, packet.session_present ? " present" : "");
    case PacketType::kPublish:
      if (packet.qos == 0) return fmt::format("publish {}", describe(packet.payload));
      return fmt::format("publish {}{} {}", packet.packet_id, packet.dup ? " dup" : "",
                         describe(packet.payload));
    case PacketType::kPuback:
      return fmt::format("puback {} {:x}", packet.packet_id, packet.code);
    case PacketType::kSuback:
      return fmt::format("suback {:x}", packet.code);
    case PacketType::kUnsuback:
      return fmt::format("unsuback {:x}", packet.code);
    case PacketType::kDisconnect:
      return fmt::format("disconnect {:x}", packet.code);
    default:
      return "pingresp";
  }
}

std::vector<ServerPacket> PacketReader::take(std::string_view bytes) {
  unparsed_.append(bytes);
  std::vector<ServerPacket> packets;
  std::size_t taken = 0;
  for (;;) {
    const auto rest = std::string_view(unparsed_).substr(taken);
    const auto frame = mqtt::next_frame(rest, mqtt::kMaxPacketBytes);
    if (!frame) throw std::runtime_error("the server sent " + mqtt::to_string(frame.error()));
    if (!frame->has_value()) break;
    packets.push_back(read_packet(**frame, version_));
    taken += (*frame)->size;
  }
  unparsed_.erase(0, taken);
  return packets;
}

}  // namespace kscpush::test

// MQTT as a test's device speaks it: packets to send, and the server's packets as values and lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mqtt/packet.hpp"
#include "core/mqtt/topics.hpp"

namespace kscpush::test {

struct ConnectSpec {
  std::string id = "pc-1";
  mqtt::Version version = mqtt::Version::kV5;
  bool clean_start = true;
  std::uint16_t keep_alive_s = 60;
  // MQTT 5 only.
  std::uint32_t session_expiry_s = 0;
  std::uint16_t receive_maximum = 0;   // 0: not said
  std::uint32_t max_packet_bytes = 0;  // 0: not said
  std::string agent{};                 // version of kscpush agent; empty: another client
  // A will below up/; empty: none.
  std::string will{};
  mqtt::UpTopic will_topic = mqtt::UpTopic::kResult;
  std::uint32_t will_delay_s = 0;
};

[[nodiscard]] std::string connect_bytes(const ConnectSpec& spec);
// To the device's own inbox.
[[nodiscard]] std::string subscribe_bytes(const ConnectSpec& spec, std::uint8_t qos = 1,
                                          std::uint16_t packet_id = 1);
[[nodiscard]] std::string unsubscribe_bytes(const ConnectSpec& spec, std::uint16_t packet_id = 2);
[[nodiscard]] std::string publish_bytes(const ConnectSpec& spec, mqtt::UpTopic topic,
                                        std::string_view payload, std::uint16_t packet_id);
[[nodiscard]] std::string puback_bytes(const ConnectSpec& spec, std::uint16_t packet_id,
                                       mqtt::ReasonCode code = mqtt::ReasonCode::kSuccess);
[[nodiscard]] std::string pingreq_bytes(std::size_t count = 1);
[[nodiscard]] std::string disconnect_bytes(const ConnectSpec& spec,
                                           mqtt::ReasonCode code = mqtt::ReasonCode::kSuccess);

// A packet of the server.
struct ServerPacket {
  mqtt::PacketType type = mqtt::PacketType::kConnack;
  std::uint8_t code = 0;  // as on the wire; of SUBACK the first
  bool session_present = false;
  bool dup = false;
  std::uint8_t qos = 0;
  std::uint16_t packet_id = 0;
  std::string topic;
  std::string payload;
  std::string correlation;
  std::optional<std::uint32_t> expires_s;
  std::string server_reference;  // MQTT 5, of CONNACK and DISCONNECT
};

// "connack 0", "connack 0 present", "suback 1", "publish 3 dup PAYLOAD", "publish PAYLOAD" (QoS 0),
// "puback 7 0", "pingresp", "disconnect 8e". A payload that is a push is shown as "KIND ID".
[[nodiscard]] std::string to_string(const ServerPacket& packet);

// Cuts what the server sends into packets. Throws std::runtime_error on what is none.
class PacketReader {
 public:
  explicit PacketReader(mqtt::Version version = mqtt::Version::kV5) : version_(version) {}
  void set_version(mqtt::Version version) { version_ = version; }
  [[nodiscard]] std::vector<ServerPacket> take(std::string_view bytes);
  // The start of a packet waits for its rest.
  [[nodiscard]] bool within_packet() const { return !unparsed_.empty(); }

 private:
  mqtt::Version version_;
  std::string unparsed_;
};

}  // namespace kscpush::test

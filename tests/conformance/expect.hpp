// What the conformance cases share. A case names the normative statements that it holds kscpush to:
// [MQTT-3.1.2-24] is MQTT 5.0's, [MQTT-3.1.2-24 of 3.1.1] that of 3.1.1; docs/conformance.md lists
// them all, and table.py compares the two.
#pragma once

#include <string>
#include <string_view>

#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt::testing {

inline constexpr Version k311 = Version::kV311;
inline constexpr Version k5 = Version::kV5;

// A subscribed device that sends PACKET is disconnected: MQTT 5 with DISCONNECT and CODE, and in
// neither version is anything behind the packet looked at. [MQTT-4.8.0-1 of 3.1.1]
void expect_end_5(std::string_view packet, ReasonCode code);
void expect_end_311(std::string_view packet);
// The packet in both versions; it has the same bytes in them.
void expect_end(std::string_view packet, ReasonCode code);
// CONNECT is answered by exactly CONNACK (may be empty) and the end of the connection.
void expect_refused(std::string_view connect, std::string_view connack);

// CONNECT with a will on TOPIC; FLAGS beside the will flag; ENCODED: the will's properties.
[[nodiscard]] std::string connect_with_will(Version version, std::uint8_t flags,
                                            std::string_view topic, std::string_view encoded = {});
// A device that is connected with OPTIONS and has not subscribed.
[[nodiscard]] Device connected_device(const ConnectOptions& options, const Limits& limits = {});

// The server's packets in BYTES, one by one.
class Packets {
 public:
  explicit Packets(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] bool empty() const { return at_ == bytes_.size(); }
  [[nodiscard]] Frame next();

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace kscpush::mqtt::testing

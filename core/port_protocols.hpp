// What is spoken on the port of a push server, as ALPN (RFC 7301) names it. Who names nothing
// speaks MQTT.
#pragma once

#include <string_view>

namespace kscpush {

inline constexpr std::string_view kMqttProtocol = "mqtt";
// docs/tunnels.md
inline constexpr std::string_view kTunnelProtocol = "kscpush-tunnel/1";
// docs/devices.md
inline constexpr std::string_view kEnrollProtocol = "kscpush-enroll/1";

}  // namespace kscpush

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

// The question that a device is asked for its side of a tunnel. It is no kind of push: it carries a
// secret, so it is never stored, and nobody but the server sends it.
inline constexpr std::string_view kTunnelOpen = "tunnel.open";

}  // namespace kscpush

// One MQTT connection of a device, server side, without its socket.
//
// Bytes, ticks and commands go in; bytes to send are appended to SessionActions::output() and
// everything else the owner must know is a call on SessionActions. The flow of a connection:
//
//   kAwaitConnect   --CONNECT--> on_connect(); the session takes no further bytes
//   kAwaitDecision  --accept()--> CONNACK 0, unacknowledged pushes again with DUP --> kActive
//                   --refuse()--> CONNACK with the reason --> kClosed
//   kActive         SUBSCRIBE, PUBLISH up/*, PUBACK, PINGREQ, UNSUBSCRIBE; deliver()
//   kClosed         after DISCONNECT, a protocol error, disconnect() or connection_lost()
//
// The profile (restricted on purpose, announced by CONNACK properties): one subscription,
// ksc/v1/devices/ID/push; publishing below ksc/v1/devices/ID/up/; QoS 0 and 1; no retained
// messages, wildcards, shared subscriptions or subscription identifiers. MQTT 3.1.1 and 5.0.
//
// Not thread safe: one thread, that of the owner's shard. Everything it holds is bounded by Limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/mqtt/packet.hpp"

namespace kscpush::mqtt {

struct Limits {
  // Largest packet taken from a device, fixed header included; before CONNECT is accepted only
  // connect_packet. Announced as Maximum Packet Size.
  std::uint32_t packet_bytes = 80 * 1024;
  std::uint32_t connect_packet_bytes = 8 * 1024;
  // QoS 1 publishes a device may have unacknowledged; each is acknowledged at once, so the figure
  // only has to be announced. Also the most pushes in flight to a device, whatever it asks for.
  std::uint16_t receive_maximum = 16;
  std::uint16_t in_flight = 16;
  // A device that asks for keep alive 0 or more than this gets this (MQTT 5: Server Keep Alive;
  // MQTT 3.1.1 devices are told nothing and are held to 1.5 times it all the same).
  std::uint16_t keep_alive_max_s = 3600;
  // MQTT 5: a longer Session Expiry Interval is cut to this. MQTT 3.1.1 with Clean Session 0 gets it.
  std::uint32_t session_expiry_max_s = 48 * 3600;
};

// A push on its way to one device. The payload is shared by all devices that get the same bytes.
struct Outgoing {
  std::uint64_t token = 0;  // the owner's; comes back in on_acked()
  std::shared_ptr<const std::string> payload;
  WallTime expires{};       // MQTT 5: Message Expiry Interval counts down to it
  std::string correlation;  // MQTT 5: Correlation Data, the push id; empty for none
};

// What outlives a connection while the session has not expired. Moves with the device.
struct SessionState {
  struct InFlight {
    std::uint16_t packet_id = 0;
    Outgoing push;
  };
  std::vector<InFlight> in_flight;  // sent at QoS 1, not acknowledged, oldest first
  std::uint32_t expiry_s = 0;       // after the end of the connection; 0: ends with it
  std::uint16_t last_packet_id = 0;
  bool subscribed = false;
  std::uint8_t qos = 0;  // granted: 0 or 1
};

// Views are valid during the call only.
struct ConnectRequest {
  Version version = Version::kV5;
  std::string_view client_id;
  bool has_username = false;
  bool has_password = false;
  std::string_view username;
  std::string_view password;
  bool clean_start = true;
  std::uint16_t keep_alive_s = 0;
  std::uint32_t session_expiry_s = 0;
  std::string_view agent;  // MQTT 5 user property "kscpush-agent": version of kscpush agent
};

enum class UpTopic : std::uint8_t { kResult, kState, kSync, kEvent };
[[nodiscard]] std::string_view to_string(UpTopic topic);

// Why a connection ended, for counters, logs and the device's history.
enum class EndReason : std::uint8_t {
  kDeviceDisconnected,  // DISCONNECT
  kConnectionLost,      // closed or reset without DISCONNECT
  kKeepAliveExpired,
  kTakenOver,
  kProtocolError,
  kMalformedPacket,
  kPacketTooLarge,
  kRefused,         // CONNECT refused
  kServerShutdown,
  kAdministrator,   // disconnected on request
  kSlowReader,      // did not read what it was sent
  kOverloaded,
};
[[nodiscard]] std::string_view to_string(EndReason reason);

class SessionActions {
 public:
  virtual ~SessionActions() = default;
  virtual std::string& output() = 0;
  // Decide with accept() or refuse(), during the call or later.
  virtual void on_connect(const ConnectRequest& request) = 0;
  virtual void on_subscribed() = 0;  // from now on deliver() can send
  virtual void on_unsubscribed() = 0;
  virtual void on_message(UpTopic topic, std::string_view payload) = 0;
  virtual void on_acked(std::uint64_t token, ReasonCode code) = 0;
  // Last call. Close once the output is flushed. DETAIL is for the log: what was wrong, where.
  virtual void on_end(EndReason reason, std::string_view detail) = 0;
};

class Session {
 public:
  enum class Phase : std::uint8_t { kAwaitConnect, kAwaitDecision, kActive, kClosed };

  // LIMITS is shared by the sessions of a shard and outlives them.
  explicit Session(const Limits& limits, MonoTime now) : limits_(&limits), last_inbound_(now) {}

  // Takes whole packets off the front of BYTES and returns how many bytes it took; the rest is the
  // start of a packet, to be given again with what follows it. Stops after CONNECT until decided.
  std::size_t receive(std::string_view bytes, MonoTime now, SessionActions& actions);

  // Accept: STATE of the device's former session, or a fresh one. MQTT 5 devices are told what
  // was changed against their wish.
  void accept(SessionState state, bool session_present, WallTime now, SessionActions& actions);
  void refuse(ReasonCode code, std::string_view reason, std::string_view server_reference,
              SessionActions& actions);

  // Sends the push if the device is subscribed and the window and its maximum packet size allow.
  enum class Delivery : std::uint8_t { kSent, kNotSubscribed, kWindowFull, kTooLarge };
  Delivery deliver(Outgoing push, WallTime now, SessionActions& actions);

  // MQTT 5: DISCONNECT with the reason first. Ends the session's connection from our side.
  void disconnect(EndReason reason, std::string_view server_reference, SessionActions& actions);
  // The peer is gone. Emits on_end() unless it was emitted before.
  void connection_lost(SessionActions& actions);

  // When nothing has come for 1.5 times the keep alive: never, for a session that is not active.
  [[nodiscard]] MonoTime keep_alive_deadline() const;
  // Ends the connection when that deadline has passed.
  void tick(MonoTime now, SessionActions& actions);

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const SessionState& state() const { return state_; }
  // Takes the state out, for a takeover or for keeping it while the device is away.
  [[nodiscard]] SessionState take_state();
};

}  // namespace kscpush::mqtt

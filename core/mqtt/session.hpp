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
// What the specification leaves open is settled like this:
//
// Refusals name the reason: MQTT 5 in CONNACK, PUBACK, SUBACK or DISCONNECT, with a Reason String
// unless the device asked for none. MQTT 3.1.1 has no means but CONNACK's return code and SUBACK
// 0x80; where these do not apply the connection is closed.
//
// A CONNECT of another protocol level is answered in the version as which the rest of it can be
// read: return code 1 or reason code 0x84. One above connect_packet_bytes: MQTT 5 gets 0x95.
//
// PUBLISH to anything but ksc/v1/devices/ID/up/{result,state,sync,event}, or whose payload is not
// the UTF-8 that it claims to be: MQTT 5 with QoS 1 gets PUBACK 0x87 or 0x99 and goes on. QoS 0 has
// no answer, so there it is DISCONNECT with the same code rather than silence.
//
// SUBSCRIBE to anything but the inbox: SUBACK 0x87 (3.1.1: 0x80); ill-formed filters are malformed
// packets. With Limits::subscribe_inbox a new session has the subscription before it asks. What
// CONNACK announced as unavailable is a protocol error, as the specification has it: DISCONNECT
// 0xA2 for wildcards, 0x9E for shared subscriptions, 0xA1 for subscription identifiers.
//
// PUBACK for no push in flight is a protocol error. After a resumption one such PUBACK is let pass
// for each push that was in flight, since a device may acknowledge both the copy it got on its
// former connection and the one sent again.
//
// Pushes in flight are sent again on resumption, subscribed or not, in order, with DUP and their
// packet identifier, as fast as the device's Receive Maximum allows; the owner may hold them back
// for a while, lest a device that never acknowledges uses up its attempts in no time. Those that
// have expired, or are too large for the device's new Maximum Packet Size, are not: on_dropped()
// tells.
//
// The will goes to on_message() when the connection ends in any way but DISCONNECT 0x00, or stays
// in SessionState::will if it has a Will Delay Interval and the session goes on.
//
// Callbacks may call the session again (accept() in on_connect(), deliver() in on_subscribed() and
// on_acked(), disconnect() anywhere) but must not destroy it.
//
// A device that does not read: while Limits::unsent_bytes of output wait for it, the session takes
// no packets, so that their answers cannot pile up, and sends no pushes; flushed() goes on.
//
// Not thread safe: one thread, that of the owner's shard. Everything it holds is bounded by Limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/mqtt/packet.hpp"
#include "core/mqtt/topics.hpp"

namespace kscpush::mqtt {

struct DecodeError;  // core/mqtt/codec.hpp
struct Frame;

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
  // MQTT 5: a longer Session Expiry Interval is cut to this. MQTT 3.1.1 with Clean Session 0 gets
  // it.
  std::uint32_t session_expiry_max_s = 48 * 3600;
  // Of output that the peer has not taken. One packet may be beyond it.
  std::uint32_t unsent_bytes = 64 * 1024;
  // A session that is not resumed begins subscribed to its inbox at QoS 1.
  bool subscribe_inbox = false;
};

// A push on its way to one device.
struct Outgoing {
  std::uint64_t token = 0;  // the owner's; comes back in on_acked() or on_dropped()
  std::string payload;
  WallTime expires{};      // MQTT 5: Message Expiry Interval counts down to it; zero for never
  std::optional<Ulid> id;  // MQTT 5: Correlation Data
  int attempts = 1;        // how often it was sent, this time included; on_resent() counts on
  WallTime sent{};         // the last time; the session's to set
};

// What the device wants published in its name when its connection ends without DISCONNECT 0x00.
struct Will {
  UpTopic topic = UpTopic::kEvent;
  std::string payload;
  std::uint32_t delay_s = 0;
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
  bool subscribed : 1 = false;
  // What is in flight is not sent again on the next connection, nor anything new, before release().
  bool held : 1 = false;
  std::uint8_t qos = 0;  // granted: 0 or 1
  // While connected the device's will. Still there after the end of the connection only when its
  // delay is running: then the owner handles it as a message when min(delay_s, expiry_s) seconds
  // have passed, unless the state has been given to accept() before, which drops or publishes it.
  std::shared_ptr<const Will> will;
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
  std::uint32_t session_expiry_s = 0;  // as granted: cut to the limit
  std::string_view agent;  // MQTT 5 user property "kscpush-agent": version of kscpush agent
};

// Why a push in flight will not be sent again.
enum class DropReason : std::uint8_t { kExpired, kTooLarge };

// Why a connection ended, for counters, logs and the device's history, which has it as a number.
enum class EndReason : std::uint8_t {
  kDeviceDisconnected,  // DISCONNECT
  kConnectionLost,      // closed or reset without DISCONNECT
  kKeepAliveExpired,
  kTakenOver,
  kProtocolError,
  kMalformedPacket,
  kPacketTooLarge,
  kRefused,  // CONNECT refused, or the device may no longer be here
  kServerShutdown,
  kAdministrator,  // disconnected on request
  kSlowReader,     // did not read what it was sent
  kOverloaded,
};
[[nodiscard]] std::string_view to_string(EndReason reason);

class SessionActions {
 public:
  virtual ~SessionActions() = default;
  virtual std::string& output() = 0;
  // How much of the output the peer has not taken yet.
  [[nodiscard]] virtual std::size_t unsent() const { return 0; }
  // Decide with accept() or refuse(), during the call or later.
  virtual void on_connect(const ConnectRequest& request) = 0;
  virtual void on_subscribed() = 0;  // from now on deliver() can send
  virtual void on_unsubscribed() = 0;
  virtual void on_message(UpTopic topic, std::string_view payload) = 0;
  virtual void on_acked(std::uint64_t token, ReasonCode code) = 0;
  // A push that was in flight when the session was resumed went out again, with DUP.
  virtual void on_resent(std::uint64_t /*token*/, int /*attempts*/) {}
  // A push that was in flight when the session was resumed is given up; no PUBACK will come.
  virtual void on_dropped(std::uint64_t token, DropReason reason) = 0;
  // Last call. Close once the output is flushed. DETAIL is for the log: what was wrong, where.
  virtual void on_end(EndReason reason, std::string_view detail) = 0;
};

class Session {
 public:
  enum class Phase : std::uint8_t { kAwaitConnect, kAwaitDecision, kActive, kClosed };

  // LIMITS is shared by the sessions of a shard and outlives them.
  // LIMITS must outlive the session, or its change to others.
  explicit Session(const Limits& limits, MonoTime now) : limits_(&limits), last_inbound_(now) {}
  void use(const Limits& limits) { limits_ = &limits; }

  // Takes whole packets off the front of BYTES and returns how many bytes it took; the rest is the
  // start of a packet, to be given again with what follows it. Stops after CONNECT until decided:
  // when accept() comes after the call, call again with what was left. The same after flushed(), if
  // it stopped because too much output waits. A closed session takes (and ignores) everything.
  std::size_t receive(std::string_view bytes, MonoTime now, SessionActions& actions);

  // Accept: STATE of the device's former session, or a fresh one. MQTT 5 devices are told what
  // was changed against their wish. With Clean Start, or when not SESSION_PRESENT, nothing of STATE
  // is used but its will, which is published if the end of the old session is due to publish it;
  // pushes in flight in it are forgotten without a call. on_subscribed() follows if the resumed
  // session has the subscription. The connection ends (kPacketTooLarge) if the device's Maximum
  // Packet Size has no room for the CONNACK.
  // Refuse: CODE is one that CONNACK has; others are told as 0x80 unspecified error. Strings may be
  // empty. Both do nothing outside of kAwaitDecision.
  void accept(SessionState state, bool session_present, WallTime now, SessionActions& actions);
  void refuse(ReasonCode code, std::string_view reason, std::string_view server_reference,
              SessionActions& actions);

  // Sends the push if the device is subscribed and the window, the output that waits already, and
  // its maximum packet size allow. Not now: kWindowFull, until a PUBACK; kNoRoom, until flushed().
  // With QoS 0 granted kSent is all that will ever be known of it. kTooLarge: it never will fit
  // this connection. kExpired: its time has passed. kNotSubscribed also while not active.
  enum class Delivery : std::uint8_t {
    kSent,
    kNotSubscribed,
    kWindowFull,
    kNoRoom,
    kTooLarge,
    kExpired,
  };
  Delivery deliver(Outgoing push, WallTime now, SessionActions& actions);
  // Something still waits to be sent again since accept().
  [[nodiscard]] bool resends() const { return sent_ < state_.in_flight.size(); }
  // The peer has taken the output: goes on with that.
  void flushed(WallTime now, SessionActions& actions);
  // Sends again what SessionState::held kept back.
  void release(WallTime now, SessionActions& actions);

  // MQTT 5: DISCONNECT with the reason first; 0x9C "use another server" with kServerShutdown and
  // kOverloaded when there is a SERVER_REFERENCE. Before accept() it just ends: refuse() says why.
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
  // As the device asked for with CONNECT; empty before.
  [[nodiscard]] std::string_view client_id() const { return {id_.get(), id_size_}; }
  [[nodiscard]] Version version() const { return v5_ ? Version::kV5 : Version::kV311; }

 private:
  void handle(const Frame& frame, MonoTime now, SessionActions& actions);
  void handle_connect(const Frame& frame, SessionActions& actions);
  void handle_publish(const Frame& frame, SessionActions& actions);
  void handle_puback(const Frame& frame, MonoTime now, SessionActions& actions);
  void handle_subscribe(const Frame& frame, SessionActions& actions);
  void handle_unsubscribe(const Frame& frame, SessionActions& actions);
  void handle_disconnect(const Frame& frame, SessionActions& actions);

  // Of a CONNECT above its limit only the first fields are read. False: more bytes are needed.
  [[nodiscard]] bool refuse_oversized(std::string_view bytes, const DecodeError& error,
                                      SessionActions& actions);
  void note_connect(const Connect& packet);
  [[nodiscard]] DecodeError take_will(const WillFields& fields);
  [[nodiscard]] bool send_connack(bool session_present, SessionActions& actions) const;
  // Without strings: how much the device takes cannot be known, or is too little.
  void send_bare_connack(ReasonCode code, SessionActions& actions) const;
  void send_refusal(ReasonCode code, std::string_view reason, std::string_view server_reference,
                    SessionActions& actions);
  void send_disconnect(ReasonCode code, std::string_view reason, std::string_view server_reference,
                       SessionActions& actions) const;
  void send_puback(std::uint16_t packet_id, const DecodeError& result,
                   SessionActions& actions) const;
  [[nodiscard]] bool send_suback(Suback& packet, std::string_view reason, SessionActions& actions);
  [[nodiscard]] bool send_push(const Outgoing& push, std::uint16_t packet_id, bool dup,
                               WallTime now, SessionActions& actions) const;
  void resend(WallTime now, SessionActions& actions);

  // TOPIC: that of the PUBLISH, its Topic Alias noted or looked up; none for a foreign one.
  [[nodiscard]] DecodeError find_topic(const Publish& packet, std::optional<UpTopic>& topic);
  [[nodiscard]] bool has_room(const Outgoing& push, const SessionActions& actions) const;
  [[nodiscard]] std::uint16_t keep_alive_s() const;
  [[nodiscard]] std::uint16_t unused_packet_id() const;
  // Of a will whose session's connection ends: 0 when it is due at once.
  [[nodiscard]] static std::uint32_t will_delay_s(const SessionState& state);
  void fail(PacketType where, const DecodeError& error, SessionActions& actions);
  void end(EndReason reason, std::string_view detail, SessionActions& actions);

  const Limits* limits_;
  MonoTime last_inbound_;
  SessionState state_;
  std::unique_ptr<char[]> id_;  // a std::string would take 24 bytes more of every connection
  // What to add to a MonoTime for the WallTime; pushes expire by the latter.
  std::chrono::milliseconds wall_offset_{0};
  std::uint32_t max_packet_bytes_ = 0;  // the device's Maximum Packet Size
  std::uint16_t requested_keep_alive_s_ = 0;
  std::uint16_t window_ = 0;  // pushes that may be in flight
  std::uint16_t sent_ = 0;  // so many of state_.in_flight, from the front, went out since accept()
  std::uint16_t stale_acks_ = 0;  // PUBACKs of pushes not in flight that are still let pass
  TopicAliases aliases_;
  std::uint8_t id_size_ = 0;
  Phase phase_ : 2 = Phase::kAwaitConnect;
  bool v5_ : 1 = false;
  bool clean_start_ : 1 = true;
  bool expiry_was_zero_ : 1 = true;  // in CONNECT; then DISCONNECT must not raise it
  bool expiry_was_cut_ : 1 = false;
  bool problem_information_ : 1 = true;
};
static_assert(sizeof(Session) <= 96, "there is one for every device");

}  // namespace kscpush::mqtt

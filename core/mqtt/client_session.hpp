// A device's MQTT 5 session with a push server, without its socket: the reference agent's side.
//
// Bytes, ticks and commands go in; bytes to send are appended to ClientActions::output() and what
// the owner must know is a call on ClientActions. One object lives as long as the device and goes
// from connection to connection:
//
//   kIdle         no connection; publish() at QoS 1 queues
//   kConnecting   start() sent CONNECT
//   kSubscribing  CONNACK came; unacknowledged messages went out again, SUBSCRIBE was sent
//   kReady        SUBACK came, or the server still had the subscription; on_ready()
//
// Every connection that was started ends with on_end(), after which start() may be called for the
// next one, with backoff and the choice of server left to the owner.
//
// Messages to the server: QoS 1 are kept until acknowledged, across connections, in a queue that is
// bounded in number and bytes, and sent in order, as many at a time as the window and the server's
// Receive Maximum allow. QoS 0 are sent at once or not at all. When the server has lost the session
// they are sent as new; the server may then see one twice.
//
// Callbacks may call publish() and disconnect() but must not start(), nor destroy the session. Not
// thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/mqtt/packet.hpp"
#include "core/mqtt/topics.hpp"

namespace kscpush::mqtt {

struct DecodeError;  // core/mqtt/codec.hpp
struct Frame;

struct ClientOptions {
  std::string device;  // a DeviceId: the client identifier
  std::string agent;   // version, told to the server by a user property; empty for none
  std::string username;
  std::string password;  // with an empty user name neither is sent
  // The first connection begins a new session. Otherwise it takes up the one that an earlier run
  // of the agent may have left.
  bool clean_start = false;
  std::uint16_t keep_alive_s = 60;  // the server may set another; 0: no pings
  std::uint32_t session_expiry_s = 48 * 3600;
  std::uint32_t packet_bytes = 80 * 1024;  // largest packet taken from the server
  std::chrono::milliseconds answer_timeout = std::chrono::seconds(20);  // CONNACK, SUBACK, PINGRESP
  std::uint16_t window = 16;          // QoS 1 messages sent and not acknowledged
  std::size_t queue_messages = 100;   // the same and those that wait
  std::size_t queue_bytes = 1 << 20;  // of payload in these
};

// A push, as it came. Views are valid during the call only.
struct IncomingPush {
  std::string_view payload;
  std::string_view correlation;  // empty for none
  bool dup = false;
};

enum class ClientEnd : std::uint8_t {
  kDisconnected,        // by disconnect()
  kRefused,             // CONNACK with an error
  kServerDisconnected,  // DISCONNECT of the server
  kNotSubscribed,       // SUBACK with an error
  kNoAnswer,            // CONNACK, SUBACK or PINGRESP did not come in time
  kProtocolError,       // the server broke the protocol
  kConnectionLost,
};
[[nodiscard]] std::string_view to_string(ClientEnd end);

// Views are valid during the call only.
struct ClientEnded {
  ClientEnd end = ClientEnd::kConnectionLost;
  ReasonCode code = ReasonCode::kSuccess;  // of the packet that ended it, ours or the server's
  std::string_view detail;                 // the server's Reason String, or what was wrong
  std::string_view server_reference;       // the server to use instead, if it named one
};

class ClientActions {
 public:
  virtual ~ClientActions() = default;
  virtual std::string& output() = 0;
  // Pushes can come from now on, or came already if the session was PRESENT.
  virtual void on_ready(bool session_present) = 0;
  // Acknowledged to the server when the call returns.
  virtual void on_push(const IncomingPush& push) = 0;
  // The end of a QoS 1 message: acknowledged, with the server's code; or kPacketTooLarge, when it
  // does not fit the server's Maximum Packet Size and was given up.
  virtual void on_published(std::uint64_t token, ReasonCode code) = 0;
  // Last call of a connection. Close it once the output is flushed.
  virtual void on_end(const ClientEnded& ended) = 0;
};

class ClientSession {
 public:
  enum class Phase : std::uint8_t { kIdle, kConnecting, kSubscribing, kReady };

  explicit ClientSession(ClientOptions options);

  // A connection is up: sends CONNECT. Only in kIdle.
  void start(MonoTime now, ClientActions& actions);
  // Takes whole packets off the front of BYTES and returns how many bytes it took; without a
  // connection it takes (and ignores) everything.
  std::size_t receive(std::string_view bytes, MonoTime now, ClientActions& actions);

  // kOffline: QoS 0 without a connection. kFull: the queue's bounds are reached. kTooLarge: above
  // the server's Maximum Packet Size. TOKEN comes back in on_published() with QoS 1.
  enum class Publishing : std::uint8_t { kSent, kQueued, kOffline, kFull, kTooLarge };
  Publishing publish(UpTopic topic, std::string payload, std::uint8_t qos, std::uint64_t token,
                     MonoTime now, ClientActions& actions);

  // Sends DISCONNECT, if CONNACK has come, and ends the connection; the session stays.
  void disconnect(ReasonCode code, ClientActions& actions);
  // The connection is gone. Emits on_end() unless it was emitted before.
  void connection_lost(ClientActions& actions);

  // When tick() has something to do: never, without a connection.
  [[nodiscard]] MonoTime deadline() const;
  // Sends PINGREQ when it is time, and ends the connection when an answer is overdue.
  void tick(MonoTime now, ClientActions& actions);

  [[nodiscard]] Phase phase() const { return phase_; }
  // QoS 1 messages that are not acknowledged.
  [[nodiscard]] std::size_t pending() const { return queue_.size(); }

 private:
  struct Message {
    UpTopic topic = UpTopic::kEvent;
    std::string payload;
    std::uint64_t token = 0;
    std::uint16_t packet_id = 0;  // 0: never sent in this session
  };

  void handle(const Frame& frame, ClientActions& actions);
  void handle_connack(const Frame& frame, ClientActions& actions);
  void handle_suback(const Frame& frame, ClientActions& actions);
  void handle_publish(const Frame& frame, ClientActions& actions);
  void handle_puback(const Frame& frame, ClientActions& actions);
  void handle_disconnect(const Frame& frame, ClientActions& actions);

  [[nodiscard]] bool is_connected() const { return phase_ >= Phase::kSubscribing; }
  [[nodiscard]] MonoTime ping_time() const;
  [[nodiscard]] std::uint16_t unused_packet_id();
  void adopt(const Properties& properties);
  void subscribe(ClientActions& actions);
  [[nodiscard]] bool send_message(const Message& message, std::uint8_t qos, bool dup,
                                  ClientActions& actions) const;
  void send_queued(ClientActions& actions);
  void fail(PacketType where, const DecodeError& error, ClientActions& actions);
  void end(const ClientEnded& ended, ClientActions& actions);

  // Constant.
  ClientOptions options_;
  std::string inbox_;

  // Of the session.
  std::deque<Message> queue_;  // those with a packet identifier first
  std::size_t queued_bytes_ = 0;
  std::uint16_t last_packet_id_ = 0;
  bool has_session_ = false;  // the server may have one for us
  bool subscribed_ = false;   // by a SUBACK in this session

  // Of the connection.
  Phase phase_ = Phase::kIdle;
  bool session_present_ = false;
  bool lasting_ = false;    // the session outlives the connection
  std::uint16_t sent_ = 0;  // so many of queue_, from the front, went out on this connection
  std::uint16_t window_ = 0;
  std::uint16_t keep_alive_s_ = 0;
  std::uint16_t subscribe_id_ = 0;
  std::uint32_t max_packet_bytes_ = 0;  // the server's
  MonoTime now_{};                      // of the call that is under way
  MonoTime last_sent_{};
  MonoTime last_received_{};
  MonoTime answer_deadline_ = MonoTime::max();  // CONNACK, SUBACK
  MonoTime pong_deadline_ = MonoTime::max();    // PINGRESP
};

}  // namespace kscpush::mqtt

// One connection of a device: its link, its MQTT session and what has not been sent yet.
//
// Owned by a shard and used on its thread. The life of a connection:
//
//   accepted      a deadline runs for TLS and CONNECT together; until it has made the server work
//                 (ClientHello, or CONNECT without TLS) it waits, and may have to give way
//   handed over   when ALPN has agreed on another protocol than MQTT: it leaves the shard
//   CONNECT       the certificate's name must be the client identifier; the connection moves to
//                 the device's home shard, which admits or refuses it
//   active        the keep alive's deadline; pushes and their acknowledgements
//   ended         what is queued is flushed, our side is shut down, and the peer gets a short
//                 while to read the last words before the socket closes
//
// An idle connection holds no buffer: what arrives is read into the shard's scratch, and only the
// start of a packet whose rest is missing, or output that the peer does not take, is kept.
//
// A peer that does not read is not read either once limits.unsent_bytes wait for it, so neither
// buffer grows; when it takes nothing for limits.slow_reader_timeout_s its connection ends. Nor is
// one that has sent limits.inbound_bytes_per_s, until the next second.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/mqtt/session.hpp"
#include "server/buffers.hpp"
#include "server/net/linger.hpp"
#include "server/net/link.hpp"
#include "server/timer_wheel.hpp"

namespace kscpush::server {

class Shard;
struct Device;

// What CONNECT said, kept until the home shard has decided.
struct Offer {
  std::string device_id;
  std::string agent;
  std::string address;  // of the device; empty: a plain listener's peer is a proxy on this machine
  mqtt::Version version = mqtt::Version::kV5;
  bool clean_start = true;
  bool secure = false;
  std::optional<WallTime> certificate_ends{};  // nothing: it has shown none
};

class Connection final : public LinkOwner, public mqtt::SessionActions, public Timer {
 public:
  Connection(Shard& shard, LinkPtr link, MonoTime now);
  ~Connection() override;

  // Asks for the first bytes.
  void start();

  // Between shards: after leave() nothing of it may be touched by the old shard's thread.
  void leave();
  void enter(Shard& shard);
  // The limits must outlive their use.
  void use(const mqtt::Limits& limits) { session_.use(limits); }
  // The home shard's decision.
  void admit(Device& device, mqtt::SessionState state, bool session_present);
  void refuse(mqtt::ReasonCode code, std::string_view reason, std::string_view server_reference);

  // Tells the processor that all of it will be needed.
  void fetch() const {
    constexpr std::size_t kLine = 64;  // bytes
    for (std::size_t at = 0; at < sizeof(Connection); at += kLine) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + at);
    }
  }
  mqtt::Session::Delivery deliver(mqtt::Outgoing push, WallTime now);
  void release();  // what the session held back
  void disconnect(mqtt::EndReason reason, std::string_view server_reference);
  [[nodiscard]] mqtt::SessionState take_state() { return session_.take_state(); }
  [[nodiscard]] bool subscribed() const { return session_.state().subscribed; }
  [[nodiscard]] bool acknowledges() const { return session_.state().qos > 0; }
  [[nodiscard]] std::size_t in_flight() const { return session_.state().in_flight.size(); }
  [[nodiscard]] bool in_flight(std::uint64_t token) const {
    return std::ranges::any_of(session_.state().in_flight,
                               [token](const auto& sent) { return sent.push.token == token; });
  }
  // Until release(); nothing else may overtake what is held back.
  [[nodiscard]] bool held() const { return session_.state().held; }
  [[nodiscard]] std::size_t unread() const { return buffers_ ? buffers_->in.size() : 0; }
  [[nodiscard]] Device* device() const { return device_; }
  void forget_device() { device_ = nullptr; }
  [[nodiscard]] const Offer* offer() const { return offer_.get(); }
  [[nodiscard]] std::string address() const { return link_->peer_address(); }
  // What speaks against the certificate that the device came with; empty: nothing.
  [[nodiscard]] std::string_view objection() const;
  [[nodiscard]] mqtt::Version version() const { return session_.version(); }

  // Of a connection that turned out to speak another protocol; it is good for nothing then.
  [[nodiscard]] LinkPtr give_link();

  // Since it was accepted; while it waits.
  [[nodiscard]] Duration age(MonoTime now) const;
  void leave_waiting();

  // Writes what is queued; the shard calls it once a turn for each connection that has output.
  void flush();
  [[nodiscard]] bool flush_queued() const { return flush_queued_; }

  // LinkOwner, Timer
  void on_readable() override;
  void on_writable() override;
  void on_timer(MonoTime now) override;

  // mqtt::SessionActions
  std::string& output() override;
  [[nodiscard]] std::size_t unsent() const override;
  void on_connect(const mqtt::ConnectRequest& request) override;
  void on_subscribed() override;
  void on_unsubscribed() override;
  void on_message(mqtt::UpTopic topic, std::string_view payload) override;
  void on_acked(std::uint64_t token, mqtt::ReasonCode code) override;
  void on_resent(std::uint64_t token, int attempts) override;
  void on_dropped(std::uint64_t token, mqtt::DropReason reason) override;
  void on_end(mqtt::EndReason reason, std::string_view detail) override;

 private:
  enum class Stage : std::uint8_t { kHandshake, kDeciding, kActive, kEnded, kLingering };

  Buffers& buffers();
  void release_empty_buffers();
  // What a read leaves to do. There is one in a turn, of at most the shard's scratch, so that one
  // busy device does not hold up the others; what is left is told again.
  enum class Next : std::uint8_t { kWait, kWaitWritable, kGone };
  Next read();
  Next pass_over(std::size_t bytes);
  void consume(std::string_view bytes);
  [[nodiscard]] bool may_be_read() const { return !reading_paused_ && !throttled_; }
  void request_flush();
  void flushed();
  void blocked();
  [[nodiscard]] MonoTime slow_reader_deadline() const;
  [[nodiscard]] MonoTime certificate_deadline() const;
  [[nodiscard]] MonoTime next_deadline() const;
  void peer_gone(IoResult::Kind kind);
  void log_end(std::string_view what, mqtt::EndReason reason, std::string_view detail);
  void finish();

  friend class ConnectionList;
  Connection* next_ = nullptr;  // of its shard's list
  Connection* previous_ = nullptr;
  Shard* shard_;
  LinkPtr link_;
  mqtt::Session session_;
  Device* device_ = nullptr;
  std::unique_ptr<Buffers> buffers_;
  std::unique_ptr<Offer> offer_;  // while the home shard decides
  Stage stage_ = Stage::kHandshake;
  bool waits_ = true;
  bool flush_queued_ = false;
  bool write_needs_read_ = false;  // TLS cannot write before it has read
  bool read_needs_write_ = false;  // nor read before it has written
  bool reading_paused_ = false;    // until what is unsent has been taken
  bool pushes_wait_ = false;       // for the same
  bool throttled_ = false;         // until its timer fires, as it has sent too much
  PassedOver passed_over_;         // while it lingers
};

// Owns the connections of a shard. Intrusive: a table of them would take 40 bytes more of each.
class ConnectionList {
 public:
  ConnectionList() = default;
  ~ConnectionList() { clear(); }
  ConnectionList(const ConnectionList&) = delete;
  ConnectionList& operator=(const ConnectionList&) = delete;

  void add(std::unique_ptr<Connection> connection);
  [[nodiscard]] std::unique_ptr<Connection> take(Connection& connection);
  void clear();
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Connection* oldest() const { return last_; }  // that was added; null: none

  // CALL must not add or take any.
  template <class Call>
  void for_each(Call&& call) const {
    for (Connection* at = first_; at != nullptr; at = at->next_) call(*at);
  }

 private:
  Connection* first_ = nullptr;
  Connection* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kscpush::server

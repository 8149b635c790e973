// One thread's part of the push server: the devices whose home it is, their connections, deadlines
// and counters. Shards share no mutable state; what crosses between them is posted to their loops.
//
// A connection is accepted by whichever shard the kernel picks. When its CONNECT has named the
// device it moves to home_shard(id), where the device's session lives, so that takeover, delivery
// and acknowledgement happen on one thread without a lock.
//
// Stored pushes: the store is the queue. The shard is told of new ones (offer_pushes), sends what
// the device's window allows, and fetches the rest when acknowledgements make room. What was sent
// and not acknowledged is sent again on the next connection, after a pause that grows with each
// attempt and counts from the last one; what is behind it waits too. Probes (ping) are not stored:
// their promise ends with the connection. The answer to up/sync (shard_sync.cpp) is not stored
// either: it says what holds when it is sent.
//
// Unless it says otherwise, everything here is for the shard's own thread.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/bounded_log.hpp"
#include "server/connection.hpp"
#include "server/counters.hpp"
#include "server/net/tcp_link.hpp"
#include "server/net/tls_trust.hpp"
#include "server/probe.hpp"
#include "server/shard_context.hpp"
#include "server/store/shard_store.hpp"
#include "server/sync/policy_book.hpp"
#include "server/sync/report_queue.hpp"
#include "server/timer_wheel.hpp"
#include "server/unwritten_steps.hpp"

namespace kscpush::server {

// What a device has sent in the current second, by all its connections: one that takes itself over
// again and again gains nothing.
class InboundBudget {
 public:
  // Whether there is something left of MOST (below 2^24) after these.
  [[nodiscard]] bool take(std::size_t bytes, std::uint32_t most, MonoTime now) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto second = static_cast<std::uint8_t>(seconds);
    if (second_ != second) spent_ = 0;
    second_ = second;
    spent_ = static_cast<std::uint32_t>(std::min(spent_ + bytes, std::size_t{most})) & 0xFF'FFFFU;
    return spent_ < most;
  }

 private:
  std::uint8_t second_ = 0;  // both in what would be padding of Device
  std::uint32_t spent_ : 24 = 0;
};

// A device that is connected, or whose session outlives its connection. There is one in memory for
// every device, so what few have is behind a pointer.
// Its timer is the end of the session, or of a will's delay, while it is away; of the pause before
// the next attempt while it is connected.
struct Device final : Timer {
  explicit Device(Shard& home) : shard(home) {}
  void on_timer(MonoTime now) override;
  [[nodiscard]] const std::string& id() const { return *key; }

  Shard& shard;
  const std::string* key = nullptr;  // of the shard's table
  Connection* connection = nullptr;
  std::unique_ptr<mqtt::SessionState> kept;  // while away
  MonoTime session_ends{};                   // while away
  WallTime connected_since{};
  std::unique_ptr<const std::string> agent;  // version of kscpush agent; null for other clients
  // Of each lane of stored pushes.
  std::array<std::int64_t, kPushLanes> last_seq{};  // the newest that was given to this session
  std::array<bool, kPushLanes> backlog{};           // the store may hold more than was let through
  bool policy_in_flight = false;                    // sent, not acknowledged
  bool policy_owed = false;                         // asked for, and could not be sent yet
  InboundBudget inbound;
};

// A device as the admin API shows it.
struct DeviceView {
  bool connected = false;
  bool subscribed = false;
  WallTime connected_since{};
  std::string address;
  std::string protocol;  // "MQTT 5", "MQTT 3.1.1"
  std::string agent;
  std::size_t in_flight = 0;
};

// What a shard holds, for those who watch its bounds.
struct ShardUsage {
  std::size_t connections = 0;
  std::size_t devices = 0;         // connected, or with a session that is kept
  std::size_t most_unsent = 0;     // bytes, of the connection that has the most
  std::size_t most_unread = 0;     // the same of what was read and not taken
  std::size_t most_in_flight = 0;  // pushes of the device that has the most
};

class Shard {
 public:
  Shard(std::size_t index, ShardContext& context);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Thread safe.
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t step_failures() const { return steps_.failures(); }

  // A new connection; false if the shard has as many handshakes in flight as it may.
  void add(LinkPtr link);
  [[nodiscard]] bool may_accept() const;
  void on_room(std::function<void()> resume) { resume_accept_ = std::move(resume); }

  // Both walk over everything there is. What does not hold together; empty if all does.
  [[nodiscard]] ShardUsage usage() const;
  [[nodiscard]] std::string inconsistency() const;

  // Takes up a changed configuration; connections keep what they were admitted with, except for
  // what bounds them.
  void use(std::shared_ptr<const ShardSettings> settings);
  [[nodiscard]] const ShardSettings& settings() const { return *settings_; }
  // Ends the sessions (0x87, Not authorized) of those whom TRUST objects to, and admits none.
  void use(std::shared_ptr<const TlsTrust> trust);
  [[nodiscard]] const TlsTrust* trust() const { return trust_.get(); }

  // Commands, by way of loop().
  void probe(const DeviceId& id, const ProbeOrder& order, ProbeDone done);
  // ONLINE_ONLY: it ends if the device cannot have it now.
  void offer_pushes(std::vector<PushRecord> pushes, bool online_only = false);
  // DONE on the store's thread, as ShardStore::cancel() has it. A push that has been handed to a
  // connection by now is sent; one that has not been never is, unless this fails.
  void cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done);
  [[nodiscard]] std::optional<DeviceView> view(const DeviceId& id) const;
  [[nodiscard]] bool disconnect(const DeviceId& id, mqtt::EndReason reason);
  // After a change of the registry or of the scope: ends the session of a device that would not be
  // admitted any more (0x87, Not authorized).
  void recheck(const DeviceId& id);
  // The device has missed something, since LOST; that is noted up to a minute later. One that has
  // connected meanwhile is brought level as if it had been known then.
  void missed(const DeviceId& id, WallTime lost);
  // Ends up to COUNT connections with the reason; returns how many are left.
  std::size_t end_some(std::size_t count, mqtt::EndReason reason);
  // The same with MQTT 5's "use another server", where another is known.
  std::size_t send_some_elsewhere(std::size_t count);
  // No connection is left that has last words to be flushed.
  [[nodiscard]] bool all_told() const { return to_flush_.empty(); }
  void advance_time();
  // Gives the store what it has not been told of pushes, and once more what it could not write:
  // before close().
  void write_steps();
  // Drops all connections and sessions without a word and answers what is left in the loop, whose
  // run() has returned for good: the last thing before the shards are destroyed.
  void close();

  // For Connection and Device.
  [[nodiscard]] const ShardContext& context() const { return context_; }
  [[nodiscard]] Counters& counts() { return counters_; }
  // For what those who connect may cause; context().log is for what an operator does.
  [[nodiscard]] BoundedLog& warnings() { return warnings_; }
  [[nodiscard]] TimerWheel& wheel() { return wheel_; }
  [[nodiscard]] MonoTime now() const { return context_.clock.now(); }
  [[nodiscard]] WallTime wall() const { return context_.clock.wall(); }
  [[nodiscard]] std::span<char> scratch() { return scratch_; }
  [[nodiscard]] BufferPool& spare_buffers() { return spare_buffers_; }
  void queue_flush(Connection& connection);
  bool end_if_distrusted(Connection& connection);
  void destroy(Connection& connection);
  // Whether its TLS handshake may begin; if not, its on_readable() is called when it may.
  [[nodiscard]] bool may_begin(Connection& connection);
  void stops_waiting(Connection& connection);
  void handshake_ended();
  // Whether the device may go on sending, after so much.
  [[nodiscard]] bool may_send_more(Device& device, std::size_t bytes);
  // CONNECTION speaks something else than MQTT: its link goes to ShardContext::hand_over.
  void hand_over(Connection& connection);
  void transfer(Connection& connection);
  void subscribed(Device& device);
  void has_room(Device& device);  // output has been flushed that pushes waited behind
  void acked(Device& device, std::uint64_t token, mqtt::ReasonCode code);
  void resent(std::uint64_t token, int attempts);
  void dropped(Device& device, std::uint64_t token, mqtt::DropReason reason);
  void message(Device& device, mqtt::UpTopic topic, std::string_view payload);
  void ended(Device& device, mqtt::EndReason reason);
  void session_expired(Device& device);
  void pause_over(Device& device);

 private:
  struct IdHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>{}(id); }
  };
  void adopt(std::unique_ptr<Connection> connection, const Offer& offer);
  void decide(Connection& connection, const Offer& offer);
  void admit(Connection& connection, const Offer& offer, const DeviceId& id,
             const Arrival& arrival);
  // What there is of the device, if it may be here. ADDRESS: where it connects from; empty: as the
  // registry has it.
  [[nodiscard]] Result<Arrival> check_registered(const DeviceId& id,
                                                 std::string_view address) const;
  void send_elsewhere(Connection& connection, const Offer& offer, mqtt::ReasonCode otherwise,
                      std::string_view reason);
  [[nodiscard]] std::string other_server(const DeviceId& id) const;
  void give_up(mqtt::SessionState& state);
  void note_end(const Device& device, mqtt::EndReason reason);
  void hold_back(Device& device, mqtt::SessionState& state);
  struct Offers {
    std::vector<PushRecord> pushes;
    bool online_only = false;
    std::size_t next = 0;  // the first that has not had its turn
  };
  void go_on_offering();
  void offer_some(std::span<const PushRecord> pushes, bool online_only, bool overtakes);
  void offer(Device* device, const PushRecord& push, bool online_only, bool overtakes);
  void pump(Device& device, bool waited = false);
  void pump_lane(Device& device, PushLane lane, bool waited);
  [[nodiscard]] static bool may_send(const Device& device, PushLane lane);
  bool send(Device& device, const PushRecord& push, bool waited = false);
  void cancel_decided(std::int64_t seq, const DeviceId& id);
  void answer(Device& device, const PushAnswer& answer);
  void report(Device& device, std::string_view payload);
  void sync(Device& device, std::string_view payload);
  void send_policy(Device& device, std::string_view has);
  void send_owed_policy(Device& device);
  // False: the token is of something else.
  bool policy_settled(Device& device, std::uint64_t token);
  [[nodiscard]] std::optional<std::string> policy_of(const Device& device, std::string_view has);
  [[nodiscard]] PolicyBook& policies();
  // Whether REPORT is the first to say that a device which has missed something is in sync.
  [[nodiscard]] bool is_level_now(const DeviceId& id, const DeviceReport& report);
  [[nodiscard]] std::size_t most_waiting() const;
  void make_room();
  [[nodiscard]] std::uint64_t under_way() const;
  [[nodiscard]] bool has_place() const;
  void begin_ready();
  [[nodiscard]] std::unique_ptr<Connection> unlink(Connection& connection);
  [[nodiscard]] Device* find(std::string_view id);
  [[nodiscard]] const Device* find(std::string_view id) const;
  void forget(Device& device);
  void flush_all();

  ShardContext& context_;
  std::shared_ptr<const ShardSettings> settings_;
  std::shared_ptr<const TlsTrust> trust_;  // null: nobody proves anything
  const std::size_t index_;
  Loop loop_;
  Counters counters_;
  BoundedLog warnings_{context_.log, context_.clock, counters_.warnings_left_out};
  TimerWheel wheel_;
  std::vector<char> scratch_;
  BufferPool spare_buffers_;
  ProbeTable probes_;
  std::unique_ptr<PolicyBook> policies_;  // of settings_; null until a device asks
  ReportQueue reports_{context_.store, loop_, counters_.reports_replaced};
  UnwrittenSteps steps_{context_.store};
  MonoTime next_retry_{};  // of what the disk did not take
  // By id. A node never moves, so others may point to the device in it.
  std::unordered_map<std::string, Device, IdHash, std::equal_to<>> devices_;
  ConnectionList waiting_;  // for the first of them: ClientHello or CONNECT
  ConnectionList connections_;
  std::deque<Connection*> ready_;  // whose handshakes begin when others have ended, in this order
  std::vector<Connection*> to_flush_;
  std::deque<Offers> offers_;                         // of many pushes, in the order of the store
  std::vector<Device*> offered_;                      // of offer_some(), kept for its memory
  std::unordered_map<std::int64_t, int> cancelling_;  // by seq: what the store has not decided yet
  std::function<void()> resume_accept_;
  bool closed_ = false;
};

// Which shard of COUNT is the home of the device.
[[nodiscard]] std::size_t home_shard(std::string_view device_id, std::size_t count);

}  // namespace kscpush::server

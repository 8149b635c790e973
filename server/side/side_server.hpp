// What is spoken on the devices' port beside MQTT: tunnels and enrolments.
//
// A shard accepts the connection and makes its TLS handshake, within the bounds and deadlines of
// all handshakes. When ALPN names one of these protocols the connection comes here, to a thread of
// its own, so that no bulk of bytes holds up a shard. The peer says one line first. Its service
// answers with one line, which ends the connection, or takes it over.
//
// While they have not been taken over there are at most kMostOpen: when one more comes, the oldest
// gives way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "server/bounded_log.hpp"
#include "server/counters.hpp"
#include "server/net/link.hpp"
#include "server/net/loop.hpp"
#include "server/timer_wheel.hpp"

namespace kscpush::server {

class SideConnection;

struct SideRequest {
  std::uint64_t connection;
  std::string_view line;  // without its end
  const Link& link;       // peer_device_id(), peer_proof(): of a peer that has shown a certificate
};

// Of one protocol. On the side's thread.
class SideService {
 public:
  virtual ~SideService() = default;
  // Then, on any thread and once, SideServer::answer(), or take_over() here, after which nothing of
  // REQUEST but the line is there any more.
  virtual void serve(const SideRequest& request) = 0;
  // Every TimerWheel::kTick.
  virtual void tick(MonoTime /*now*/) {}
};

struct SideCounters {
  Counter open;      // gauge: not yet taken over or ended
  Counter gave_way;  // to newer ones
  Counter timeouts;  // nothing was said, or taken, in time
  Counter warnings_left_out;
};

class SideServer {
 public:
  static constexpr std::size_t kMostOpen = 2048;
  static constexpr std::size_t kLongestLine = 16UL * 1024;  // bytes
  static constexpr std::chrono::seconds kLineWithin{10};
  static constexpr std::chrono::seconds kServedWithin{60};

  SideServer(const Clock& clock, spdlog::logger& log);
  ~SideServer();
  SideServer(const SideServer&) = delete;
  SideServer& operator=(const SideServer&) = delete;

  // Before start(). SERVICE is called until stop() has returned.
  void add(std::string_view protocol, SideService& service);
  void start();
  // LAST runs on the thread, as the last thing; then all connections are closed.
  void stop(const std::function<void()>& last = nullptr);
  // After stop(): runs what has been posted since.
  void settle();

  // Thread safe.
  void take(LinkPtr link);
  // Sends it as a line of its own and closes. Nothing happens when the connection has gone.
  void answer(std::uint64_t connection, std::string line);
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const SideCounters& counters() const { return counters_; }

  // On the thread.
  struct Taken {
    LinkPtr link;      // attached to the loop, without an owner
    std::string rest;  // what came behind the line
  };
  [[nodiscard]] Taken take_over(std::uint64_t connection);
  [[nodiscard]] TimerWheel& wheel() { return wheel_; }
  [[nodiscard]] MonoTime now() const { return clock_.now(); }
  [[nodiscard]] std::span<char> scratch() { return scratch_; }
  [[nodiscard]] BoundedLog& warnings() { return warnings_; }

 private:
  friend class SideConnection;
  void adopt(LinkPtr link);
  void serve(SideConnection& connection, std::string_view line);
  // When the others have had their turn: TLS may hold what the loop knows nothing of.
  void read_later(const SideConnection& connection);
  void destroy(SideConnection& connection);
  void keep_time();

  const Clock& clock_;
  Loop loop_;
  LoopTimer tick_{loop_};
  SideCounters counters_;
  BoundedLog warnings_;
  TimerWheel wheel_;
  std::vector<char> scratch_;
  std::map<std::string, SideService*, std::less<>> services_;
  std::map<std::uint64_t, std::unique_ptr<SideConnection>> connections_;  // oldest first
  std::uint64_t last_ = 0;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace kscpush::server

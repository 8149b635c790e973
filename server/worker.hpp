// A shard at work: its thread, the listeners and the TLS context that bring it connections, and the
// tick of its clock.
//
// What a configuration needs of files and sockets is made first, on any thread (prepare); nothing
// can fail any more when the shard takes it up (start, change).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <asio/steady_timer.hpp>

#include "core/site/model.hpp"
#include "core/site/paths.hpp"
#include "server/net/listener.hpp"
#include "server/net/tls.hpp"
#include "server/shard.hpp"

namespace kscpush::server {

struct ServerConfig {
  site::DistributionPoint dp;
  site::ServerPaths paths;
};

// What one shard serves a configuration with.
struct Serving {
  std::shared_ptr<const ShardSettings> settings;
  std::unique_ptr<TlsContext> tls;
  // Nothing: the listeners that there are go on. None: the push server is off.
  std::optional<std::vector<std::unique_ptr<Listener>>> listeners;
};

class Worker {
 public:
  explicit Worker(Shard& shard) : shard_(shard), tick_(shard.loop()) {}

  // Any thread. RELISTEN: the addresses differ from those listened on now. Errors: those of
  // TlsContext::create and Listener::open.
  [[nodiscard]] Result<Serving> prepare(const ServerConfig& config, const TicketKeys& ticket_keys,
                                        std::shared_ptr<const ShardSettings> settings,
                                        bool relisten);

  // Before the thread runs. ON_TICK runs on it, at every tick of the timer wheel.
  void start(Serving serving, std::function<void()> on_tick);
  // On the thread.
  void change(Serving serving);
  // On the thread: tells the devices that are connected, paced, until DEADLINE; then calls DONE.
  void end_connections(mqtt::EndReason reason, MonoTime deadline, std::function<void()> done);
  void close_listeners();
  // After this the thread ends.
  void stop() { shard_.loop().stop(); }
  void join() { thread_.join(); }

  [[nodiscard]] Shard& shard() { return shard_; }

 private:
  Status open_listener(const std::string& host, Port port, bool secure, Serving& serving);
  void take_up(Serving serving);
  void keep_time();

  Shard& shard_;
  std::unique_ptr<TlsContext> tls_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  asio::steady_timer tick_;
  std::optional<asio::steady_timer> pace_;  // of end_connections
  std::function<void()> on_tick_;
  std::thread thread_;
};

// Whether the two are served at the same addresses.
[[nodiscard]] bool same_addresses(const site::PushServer& a, const site::PushServer& b);
// Fails (kConflict) when another program holds a port of the push server.
[[nodiscard]] Status check_ports_free(const site::PushServer& server);

}  // namespace kscpush::server

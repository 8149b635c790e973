// A shard at work: its thread, the listeners and the TLS context that bring it connections, and the
// tick of its clock.
//
// What a configuration needs of files and sockets is made first, on any thread (prepare); nothing
// can fail any more when the shard takes it up (start, change).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "core/site/model.hpp"
#include "core/site/paths.hpp"
#include "server/net/listener.hpp"
#include "server/net/tls_context.hpp"
#include "server/shard.hpp"
#include "server/systemd.hpp"

namespace kscpush::server {

struct ServerConfig {
  site::DistributionPoint dp;
  site::ServerPaths paths;
  // All of the site, to know the other push servers; null: nothing is known of them.
  std::shared_ptr<const site::Site> site{};
  // Those that listen already; null: none.
  std::shared_ptr<const systemd::PassedSockets> passed{};
};

// Where devices are listened for: with TLS, and plain. Nothing: not at all.
using Addresses = std::array<std::optional<site::ListenAddress>, 2>;
[[nodiscard]] Addresses addresses_of(const site::PushServer& server);

// What one shard serves a configuration with.
struct Serving {
  std::shared_ptr<const ShardSettings> settings;
  std::unique_ptr<TlsContext> tls;
  std::shared_ptr<const TlsTrust> trust;
  Addresses addresses{};
  std::array<std::unique_ptr<Listener>, 2> listeners{};  // for those that are listened on newly
};

class Worker {
 public:
  explicit Worker(Shard& shard) : shard_(shard), tick_(shard.loop()), pace_(shard.loop()) {}

  // Any thread. PRESENT: those listened on now. Errors: those of TlsContext::create and
  // Listener::open.
  [[nodiscard]] Result<Serving> prepare(const ServerConfig& config, const TlsShared& tls,
                                        std::shared_ptr<const ShardSettings> settings,
                                        const Addresses& present);

  // Before the thread runs. ON_TICK runs on it, at every tick of the timer wheel.
  void start(Serving serving, std::function<void()> on_tick);
  // On the thread.
  void change(Serving serving);
  // On the thread: tells the devices that are connected, paced, until DEADLINE; then calls DONE.
  void end_connections(mqtt::EndReason reason, MonoTime deadline, std::function<void()> done);
  // On the thread: sends the devices elsewhere, evenly until DEADLINE.
  void drain(MonoTime deadline);
  // Takes back both, for those who are left and who come.
  void keep_connections();
  void close_listeners();
  // After this the thread ends.
  void stop() { shard_.loop().stop(); }
  void join() { thread_.join(); }

  [[nodiscard]] Shard& shard() { return shard_; }

 private:
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const site::ListenAddress& address,
                                                         bool secure,
                                                         const systemd::PassedSockets* passed);
  void take_up(Serving serving);
  void close_listener(std::size_t index);
  void keep_time();

  Shard& shard_;
  std::unique_ptr<TlsContext> tls_;
  Addresses addresses_{};
  std::array<std::unique_ptr<Listener>, 2> listeners_{};
  LoopTimer tick_;
  LoopTimer pace_;  // of drain and end_connections
  std::function<void()> on_tick_;
  std::thread thread_;
};

// Fails (kConflict) when another program holds one of WANTED that is not among PRESENT, nor PASSED.
[[nodiscard]] Status check_ports_free(const Addresses& wanted, const Addresses& present,
                                      const systemd::PassedSockets* passed);

}  // namespace kscpush::server

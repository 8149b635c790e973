// The push server of one distribution point: shards, listeners, store, and what can be asked of it.
//
//   start()   checks everything that can be wrong before anything listens
//   stop()    tells the devices, waits until they are told and the store has written everything
//
// Thread safe, except start and stop. Callbacks run on a thread of the server and must not block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "core/site/model.hpp"
#include "core/site/paths.hpp"
#include "server/counters.hpp"
#include "server/probe.hpp"
#include "server/shard.hpp"
#include "server/store/store.hpp"
#include "server/worker.hpp"

namespace kscpush::server {

struct PushRequest {
  std::string kind;
  std::string params = "{}";                  // a JSON object
  std::optional<std::chrono::seconds> ttl{};  // nothing: the kind's default
};

[[nodiscard]] StoreLimits store_limits(const site::PushServer& server);

class PushServer {
 public:
  static constexpr Duration kLongestProbe = std::chrono::seconds(60);

  // STORE as opened in the configuration's state directory, with store_limits(). kInvalidConfig,
  // kConflict (port in use), kDenied; each says what mends it.
  [[nodiscard]] static Result<std::unique_ptr<PushServer>> start(ServerConfig config,
                                                                 std::unique_ptr<Store> store,
                                                                 const Clock& clock,
                                                                 spdlog::logger& log);
  ~PushServer();
  // Afterwards every callback has been called, and requests are answered kUnreachable.
  void stop();

  // Takes up another configuration of the same distribution point, or leaves all as it is: the
  // errors are those of start(). Certificates are read again. Connections stay, unless the push
  // server is off now: what bounds a connection changes with it, what it was admitted by does not.
  // COMMIT is called when nothing else can fail; if it does, nothing changes either. Waits for the
  // shards; one call at a time, not on a thread of the server. Not changed before the next start:
  // limits.shards and the paths of state and admin API.
  [[nodiscard]] Status reconfigure(ServerConfig config, const std::function<Status()>& commit);
  // Sends all devices to other push servers, evenly within that time, and lets nobody in (MQTT 5:
  // use another server, with its address where one is known). Not ready from now on. Again: a new
  // time.
  void drain(std::chrono::seconds within);
  void stop_draining();
  [[nodiscard]] bool draining() const;
  // Ends the sessions of those devices that would not be admitted any more.
  void recheck(std::vector<DeviceId> ids);

  // kNotFound, kOffline, kNoAnswer, kOverloaded.
  void ping(const DeviceId& id, Duration timeout, ProbeDone done);
  // The record as stored, after it is on disk. kUsage, kNotFound, kOffline (a kind that needs the
  // device now), kOverloaded, kTooLarge.
  void push(const DeviceId& id, const PushRequest& request,
            std::function<void(Result<PushRecord>)> done);
  // Changes of the registry, after they are on disk, as Store has them. The session of a device
  // that may not be here any more (revoked, removed, moved out of scope) ends.
  void add_devices(std::vector<NewDevice> devices, Store::Done done);
  void change_device(const DeviceId& id, DeviceChange change,
                     std::function<void(Result<DeviceRecord>)> done);
  void remove_device(const DeviceId& id, Store::Done done);
  void view(const DeviceId& id, std::function<void(std::optional<DeviceView>)> done);
  // Which of these are connected, in the same order.
  void views(std::vector<DeviceId> ids,
             std::function<void(std::vector<std::optional<DeviceView>>)> done);

  [[nodiscard]] Store& store();
  [[nodiscard]] const Store& store() const;
  [[nodiscard]] std::shared_ptr<const ServerConfig> config() const;
  [[nodiscard]] const Clock& clock() const;
  [[nodiscard]] WallTime started() const;
  [[nodiscard]] bool ready() const;  // false while it drains or stops
  [[nodiscard]] std::vector<const Counters*> counters() const;
  // How often a step of a push could not be written.
  [[nodiscard]] std::uint64_t step_failures() const;
  [[nodiscard]] std::uint64_t connected() const;

 private:
  class Impl;
  explicit PushServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kscpush::server

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
#include "server/events/push_waits.hpp"
#include "server/probe.hpp"
#include "server/rollout/rollouts.hpp"
#include "server/shard.hpp"
#include "server/store/store.hpp"
#include "server/worker.hpp"

namespace kscpush::server {

struct PushRequest {
  static constexpr std::size_t kLongestCollapseKey = 64;  // bytes

  std::string kind;
  std::string params = "{}";                  // a JSON object
  std::optional<std::chrono::seconds> ttl{};  // nothing: the kind's default
  // Replaces those to the device that have the same and were not sent; nothing: the kind's own.
  std::optional<std::string> collapse_key{};
  std::optional<IdempotencyKey> key{};  // nothing: the same request again is another push
};

struct RolloutOptions {
  std::string targets{};  // JSON, as they were asked for
  double rate = 0;        // pushes a second, at most Rollouts::kLargestRate; 0: no limit
  std::optional<std::int64_t> max_failures{};
  std::int64_t canary = 0;
};

// What a ping of one device says: what it measured, and the device as it answered.
struct PingReport {
  ProbeReport probe;
  DeviceView device;
};
using PingDone = std::function<void(Result<PingReport>)>;
// Of each device, in the order asked for.
using ProbeReports = std::vector<Result<ProbeReport>>;

struct EnrolCounters;
struct SideCounters;
class Tunnels;
struct TunnelCounters;

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
  void recheck(const std::vector<DeviceId>& ids);

  // kNotFound says how to find it.
  [[nodiscard]] Result<DeviceRecord> registered(const DeviceId& id) const;

  // kNotFound, kOffline, kNoAnswer, kOverloaded.
  void ping(const DeviceId& id, Duration timeout, PingDone done);
  // All at once, with what is the same for all encoded once; the errors are each device's own, and
  // of one that does not exist it is kOffline.
  void ping_all(std::vector<DeviceId> ids, Duration timeout,
                std::function<void(Result<ProbeReports>)> done);
  // The record as stored, after it is on disk. kUsage, kNotFound, kDenied (revoked, or not in the
  // scope of this distribution point), kOffline (a kind that needs the device now), kConflict (the
  // key was another request's), kOverloaded, kTooLarge.
  using Pushed = std::function<void(Result<OncePush>)>;
  void push(const DeviceId& id, const PushRequest& request, const Pushed& done);
  // The same to many, stored in one transaction, each with its own error; REQUEST's key is not
  // looked at. Kinds that need their device now end as undeliverable where it is not.
  void push_all(const std::vector<DeviceId>& ids, const PushRequest& request,
                std::function<void(Result<Store::PushResults>)> done);
  // At a pace: the order is made of the request, whose key counts.
  void roll_out(std::vector<DeviceId> ids, const PushRequest& request,
                const RolloutOptions& options, Rollouts::Added done);
  // As Rollouts::cancel().
  void cancel_rollout(const Ulid& id, const std::string& reason, const Rollouts::Done& done);
  [[nodiscard]] const Rollouts& rollouts() const;
  // Before it is handed to the device's connection; after that kConflict, saying how far it is.
  // kNotFound.
  void cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done);
  // As PushWaits has it.
  void wait_for_push(const Ulid& id, PushState state, Duration timeout,
                     const PushWaits::Done& done);
  [[nodiscard]] std::size_t waiting_for_pushes() const;
  // CALL asks the tunnels for something; what it asked for is answered. False: the server stops,
  // and CALL was not called.
  bool with_tunnels(const std::function<void(Tunnels&)>& call);
  [[nodiscard]] EventLog& events();
  // Changes of the registry, after they are on disk, as Store has them. The session of a device
  // that may not be here any more (revoked, removed, moved out of scope) ends.
  void add_devices(std::vector<NewDevice> devices, Store::Done done);
  void change_device(const DeviceId& id, DeviceChange change,
                     const std::function<void(Result<ChangedDevice>)>& done);
  void remove_device(const DeviceId& id, const Store::Done& done);
  void view(const DeviceId& id, std::function<void(std::optional<DeviceView>)> done);
  // Which of these are connected, in the same order.
  void views(std::vector<DeviceId> ids,
             std::function<void(std::vector<std::optional<DeviceView>>)> done);

  [[nodiscard]] Store& store();
  [[nodiscard]] const Store& store() const;
  [[nodiscard]] std::shared_ptr<const ServerConfig> config() const;
  [[nodiscard]] const Clock& clock() const;
  [[nodiscard]] WallTime started() const;
  // Until a revocation list is out of date, as CrlWatch has it.
  [[nodiscard]] std::optional<std::chrono::seconds> crl_left() const;
  [[nodiscard]] bool ready() const;  // false while it drains or stops
  [[nodiscard]] std::vector<const Counters*> counters() const;
  [[nodiscard]] const EnrolCounters& enrol_counters() const;
  [[nodiscard]] const SideCounters& side_counters() const;
  [[nodiscard]] const TunnelCounters& tunnel_counters() const;
  // How often a step of a push could not be written.
  [[nodiscard]] std::uint64_t step_failures() const;
  [[nodiscard]] std::uint64_t connected() const;

 private:
  class Impl;
  explicit PushServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kscpush::server

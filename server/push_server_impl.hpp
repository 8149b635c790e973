// The inside of PushServer, for its sources.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <span>
#include <vector>

#include "core/port_protocols.hpp"
#include "server/crl_watch.hpp"
#include "server/events/push_waits.hpp"
#include "server/push_server.hpp"
#include "server/side/enrol_service.hpp"
#include "server/side/side_server.hpp"
#include "server/tunnel/tunnels.hpp"

namespace kscpush::server {

[[nodiscard]] inline Error stopping_error() {
  return Error{ErrorCode::kUnreachable, "the push server is stopping", "try again when it is back"};
}

// Work for many devices on one shard: some in each turn of its loop, so that their packets are
// flushed and others are served in between.
template <class Item, class Call>
class InTurns : public std::enable_shared_from_this<InTurns<Item, Call>> {
 public:
  InTurns(Shard& shard, std::vector<Item> items, Call call)
      : shard_(shard), items_(std::move(items)), call_(std::move(call)) {}
  // Calls CALL(shard, some) until it had all, on the shard's thread.
  void start() {
    shard_.loop().post([self = this->shared_from_this()] { self->go_on(); });
  }

 private:
  static constexpr std::size_t kPerTurn = 64;
  void go_on() {
    const auto some = std::span<const Item>(items_).subspan(next_);
    const std::size_t count = std::min(kPerTurn, some.size());
    next_ += count;
    call_(shard_, some.first(count));
    if (next_ < items_.size()) start();
  }

  Shard& shard_;
  std::vector<Item> items_;
  const Call call_;
  std::size_t next_ = 0;
};

class PushServer::Impl {
 public:
  Impl(ServerConfig config, const Clock& clock, spdlog::logger& log, std::unique_ptr<Store> store)
      : config_(std::make_shared<const ServerConfig>(std::move(config))),
        clock_(clock),
        log_(log),
        store_(std::move(store)),
        context_{
            std::make_shared<const ShardSettings>(config_->dp, config_->site), *store_, clock, log,
            ConnectionBudget(config_->dp.push_server.max_connections),         false,   {},    {}},
        started_(clock.wall()),
        crl_watch_(log),
        waits_(*store_),
        rollouts_(*store_, clock, log,
                  {[this](std::vector<PushRecord> pushes, bool online_only) {
                     offer(std::move(pushes), online_only);
                   },
                   [this](const PushRecord& push) {
                     post(push.device, [this, push] {
                       home(push.device)
                           .cancel_push(push.id, "its rollout was cancelled",
                                        [](const Result<PushRecord>&) {});
                     });
                   },
                   admit()}),
        side_(clock, log),
        tunnels_(side_, *store_, clock, log,
                 [this](const DeviceId& id, const std::string& params,
                        const Tunnels::Asked& asked) { ask_for_tunnel(id, params, asked); }),
        enrolments_(
            side_, *store_, [this] { return this->config(); }, clock, log),
        ticket_keys_(std::make_shared<TicketKeys>(clock.now())) {
    context_.hand_over = [this](LinkPtr link) { side_.take(std::move(link)); };
    context_.bring_level = [this](const DeviceId& id) { bring_level(id); };
    store_->watch(
        [this](const StoreChanges& changes) {
          context_.events.pushes(changes.pushes);
          waits_.changed(changes.pushes);
          rollouts_.changed(changes.pushes);
          resyncs_changed(changes.resyncs);
        },
        [this] { offer_gathered(); });
  }

  // The store's thread may still be at the end of a group, and what it calls needs all the rest.
  ~Impl() {
    stop();
    workers_.clear();
    store_.reset();
  }

  Status start();

  // One call at a time.
  Status reconfigure(ServerConfig config, const std::function<Status()>& commit);

  void stop();

  [[nodiscard]] std::shared_ptr<const ServerConfig> config() const {
    const std::scoped_lock lock(config_mutex_);
    return config_;
  }

  [[nodiscard]] Shard& home(const DeviceId& id) {
    return *context_.shards[home_shard(id.str(), context_.shards.size())];
  }

  [[nodiscard]] std::uint64_t connected() const {
    return std::accumulate(context_.shards.begin(), context_.shards.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const std::unique_ptr<Shard>& shard) {
                             return sum + shard->counters().connected.get();
                           });
  }

  // Calls TASK, which hands work to the loops or the store, unless the server is stopping: what is
  // handed over before stop() began will be answered.
  template <class Task>
  bool unless_stopping(Task&& task) {
    const std::shared_lock lock(gate_);
    if (!ready_) return false;
    std::forward<Task>(task)();
    return true;
  }

  // On each one's thread.
  template <class Task>
  void for_each_worker(Task task) {
    unless_stopping([&] {
      for (auto& worker : workers_) {
        worker->shard().loop().post([w = worker.get(), task] { task(*w); });
      }
    });
  }

  // Runs on the home shard, as long as there is one to run it.
  template <class Task>
  bool post(const DeviceId& id, Task task) {
    return unless_stopping([&] { home(id).loop().post(std::move(task)); });
  }

  // TAKE(shard, all) for each shard with all of those whose devices, which ID_OF says, have their
  // home there. False: it stops.
  template <class Item, class IdOf, class Take>
  bool for_homes(std::vector<Item> items, IdOf id_of, Take take) {
    std::vector<std::vector<Item>> of_shard(context_.shards.size());
    for (auto& of_one : of_shard) of_one.reserve(items.size() / of_shard.size() + 1);
    for (Item& item : items) {
      const DeviceId& id = id_of(item);
      of_shard[home_shard(id.str(), of_shard.size())].push_back(std::move(item));
    }
    return unless_stopping([&] {
      for (std::size_t i = 0; i < of_shard.size(); ++i) {
        if (!of_shard[i].empty()) take(*context_.shards[i], std::move(of_shard[i]));
      }
    });
  }
  // CALL(shard, some), in turns, until it had all of them.
  template <class Item, class IdOf, class Call>
  bool spread(std::vector<Item> items, IdOf id_of, Call call) {
    return for_homes(std::move(items), id_of, [&](Shard& shard, std::vector<Item> all) {
      std::make_shared<InTurns<Item, Call>>(shard, std::move(all), call)->start();
    });
  }
  // Stored pushes, to the home shards of their devices: on the writer's thread, so that they come
  // in the order in which they were stored.
  void offer(std::vector<PushRecord> pushes, bool online_only);
  // The same of one by one, on the writer's thread: those of a commit go together, so that a shard
  // is woken once for all.
  void gather(const PushRecord& push);
  void offer_gathered();
  void ask_for_tunnel(const DeviceId& id, const std::string& params, const Tunnels::Asked& asked);
  // Stores a sync push for a device that has missed something, if nothing waits that makes up for
  // it.
  void bring_level(const DeviceId& id);
  void resyncs_changed(const std::vector<ResyncChange>& changes);
  // The session and the tunnels of a device that may not be here any more end.
  void recheck(const DeviceId& id);
  // Whether a device is in scope, of the configuration that runs then.
  [[nodiscard]] Admit admit() const;

  std::shared_ptr<const ServerConfig> config_;  // under config_mutex_
  mutable std::mutex config_mutex_;
  const Clock& clock_;
  spdlog::logger& log_;
  std::unique_ptr<Store> store_;
  ShardContext context_;
  const WallTime started_;
  CrlWatch crl_watch_;
  std::shared_mutex gate_;          // stop() takes it alone
  std::atomic<bool> ready_{false};  // changed under gate_
  std::vector<std::unique_ptr<Worker>> workers_;
  PushWaits waits_;
  Rollouts rollouts_;
  SideServer side_;
  Tunnels tunnels_;
  EnrolService enrolments_;

 private:
  // For every worker, in order.
  Result<std::vector<Serving>> prepare(const ServerConfig& config,
                                       const std::shared_ptr<const ShardSettings>& settings,
                                       const Addresses& present);

  void hand_over(std::vector<PushRecord> pushes, bool online_only);

  void give_back_memory();

  void expire();

  std::vector<PushRecord> gathered_;  // the writer's thread's
  const std::shared_ptr<TicketKeys> ticket_keys_;
  MonoTime next_expire_{};  // first shard's thread, and what follows
  MonoTime next_trim_{};
  std::uint64_t trimmed_at_ = 0;  // connections accepted by then
  int trims_left_ = 0;
};

}  // namespace kscpush::server

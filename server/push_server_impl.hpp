// The inside of PushServer, for its sources.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <vector>

#include <asio/post.hpp>

#include "server/events/push_waits.hpp"
#include "server/push_server.hpp"

namespace kscpush::server {

[[nodiscard]] inline Error stopping_error() {
  return Error{ErrorCode::kUnreachable, "the push server is stopping", "try again when it is back"};
}

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
        waits_(*store_),
        ticket_keys_(std::make_shared<TicketKeys>(clock.now())) {
    store_->watch([this](const PushChanges& changes) {
      context_.events.pushes(changes);
      waits_.changed(changes);
    });
  }

  ~Impl() { stop(); }

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

  // kNotFound.
  [[nodiscard]] Result<DeviceRecord> registered(const DeviceId& id) const;

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
        asio::post(worker->shard().loop(), [w = worker.get(), task] { task(*w); });
      }
    });
  }

  // Runs on the home shard, as long as there is one to run it.
  template <class Task>
  bool post(const DeviceId& id, Task task) {
    return unless_stopping([&] { asio::post(home(id).loop(), std::move(task)); });
  }

  std::shared_ptr<const ServerConfig> config_;  // under config_mutex_
  mutable std::mutex config_mutex_;
  const Clock& clock_;
  spdlog::logger& log_;
  std::unique_ptr<Store> store_;
  ShardContext context_;
  const WallTime started_;
  std::shared_mutex gate_;          // stop() takes it alone
  std::atomic<bool> ready_{false};  // changed under gate_
  std::vector<std::unique_ptr<Worker>> workers_;
  PushWaits waits_;

 private:
  // For every worker, in order.
  Result<std::vector<Serving>> prepare(const ServerConfig& config,
                                       const std::shared_ptr<const ShardSettings>& settings,
                                       const Addresses& present);

  void give_back_memory();

  void expire();

  const std::shared_ptr<TicketKeys> ticket_keys_;
  MonoTime next_expire_{};  // first shard's thread, and what follows
  MonoTime next_trim_{};
  std::uint64_t trimmed_at_ = 0;  // connections accepted by then
};

}  // namespace kscpush::server

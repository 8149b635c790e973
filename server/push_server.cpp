#include "server/push_server.hpp"

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <thread>

#include <asio/post.hpp>
#include <malloc.h>

namespace kscpush::server {
namespace {

constexpr std::chrono::seconds kEndWithin{3};
constexpr std::chrono::minutes kExpireEvery{1};
// At least so long after one another, and after so many connections.
constexpr std::chrono::seconds kTrimEvery{5};
constexpr std::uint64_t kTrimAfter = 100;

Error stopping() {
  return Error{ErrorCode::kUnreachable, "the push server is stopping", "try again when it is back"};
}

}  // namespace

class PushServer::Impl {
 public:
  Impl(ServerConfig config, const Clock& clock, spdlog::logger& log, std::unique_ptr<Store> store)
      : config_(std::make_shared<const ServerConfig>(std::move(config))),
        clock_(clock),
        log_(log),
        store_(std::move(store)),
        context_{
            std::make_shared<const ShardSettings>(config_->dp, config_->site), *store_, clock, log,
            ConnectionBudget(config_->dp.push_server.max_connections),         false,   {}},
        started_(clock.wall()),
        ticket_keys_(std::make_shared<TicketKeys>(clock.now())) {}

  ~Impl() { stop(); }

  Status start() {
    const site::PushServer& server = config_->dp.push_server;
    std::size_t count = server.limits.shards;
    if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) {
      context_.shards.push_back(std::make_unique<Shard>(i, context_));
      workers_.push_back(std::make_unique<Worker>(*context_.shards.back()));
    }
    auto serving = prepare(*config_, context_.settings, {});
    if (!serving) return fail(serving.error());
    for (std::size_t i = 0; i < count; ++i) {
      workers_[i]->start(std::move((*serving)[i]), [this, first = i == 0] {
        if (first) expire();
      });
    }
    ready_ = true;
    log_.info("push server of '{}' on {}:{}, {} shards, up to {} connections", config_->dp.name,
              server.listen, server.port.value(), count, server.max_connections);
    return {};
  }

  // One call at a time.
  Status reconfigure(ServerConfig config, const std::function<Status()>& commit) {
    const Addresses present = addresses_of(this->config()->dp.push_server);
    auto settings = std::make_shared<const ShardSettings>(config.dp, config.site);
    auto serving = prepare(config, settings, present);
    if (!serving) return fail(serving.error());
    if (auto committed = commit(); !committed) return committed;
    std::latch taken_up(static_cast<std::ptrdiff_t>(workers_.size()));
    const bool begun = unless_stopping([&] {
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = *workers_[i];
        asio::post(worker.shard().loop(),
                   [this, &worker, &taken_up, served = std::move((*serving)[i])]() mutable {
                     const bool on = served.settings->dp.push_server.enabled;
                     worker.change(std::move(served));
                     if (!on) {
                       worker.end_connections(mqtt::EndReason::kServerShutdown,
                                              clock_.now() + kEndWithin, [] {});
                     }
                     taken_up.count_down();
                   });
      }
    });
    if (!begun) return fail(stopping());
    taken_up.wait();
    context_.budget.set_limit(config.dp.push_server.max_connections);
    const std::scoped_lock lock(config_mutex_);
    config_ = std::make_shared<const ServerConfig>(std::move(config));
    return {};
  }

  void stop() {
    {
      const std::unique_lock lock(gate_);
      if (!ready_.exchange(false)) return;
    }
    log_.info("stopping: {} devices connected", connected());
    for (auto& worker : workers_) {
      asio::post(worker->shard().loop(), [this, w = worker.get()] {
        w->close_listeners();
        w->end_connections(mqtt::EndReason::kServerShutdown, clock_.now() + kEndWithin,
                           [w] { w->stop(); });
      });
    }
    for (auto& worker : workers_) worker->join();
    // What the loops and the writer still hold is answered now; the listeners' last handlers run
    // in it too, so they go afterwards. The shards stay: their counters may still be asked for.
    for (auto& shard : context_.shards) {
      shard->retry_steps();
      shard->close();
    }
    store_->drain();
    workers_.clear();
    log_.info("stopped");
  }

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

 private:
  // For every worker, in order.
  Result<std::vector<Serving>> prepare(const ServerConfig& config,
                                       const std::shared_ptr<const ShardSettings>& settings,
                                       const Addresses& present) {
    const Addresses wanted = addresses_of(config.dp.push_server);
    if (auto free = check_ports_free(wanted, present, config.passed.get()); !free)
      return fail(free.error());
    const auto trust =
        TlsTrust::load(config.paths.client_ca, config.paths.crl, unix_seconds(clock_.wall()));
    if (!trust) return fail(trust.error());
    const TlsShared tls{ticket_keys_, *trust, config.dp.push_server.limits.park_idle_tls};
    std::vector<Serving> all;
    for (auto& worker : workers_) {
      auto serving = worker->prepare(config, tls, settings, present);
      if (!serving) return fail(serving.error());
      all.push_back(std::move(*serving));
    }
    return all;
  }

  // A handshake takes 25 KB for a moment, and malloc keeps what a storm of them has left behind:
  // more than the connections themselves need when they are parked.
  void give_back_memory() {
    if (clock_.now() < next_trim_) return;
    std::uint64_t accepted = 0;
    for (const auto& shard : context_.shards) accepted += shard->counters().accepted.get();
    if (accepted - trimmed_at_ < kTrimAfter) return;
    trimmed_at_ = accepted;
    next_trim_ = clock_.now() + kTrimEvery;
    ::malloc_trim(0);
  }

  void expire() {
    ticket_keys_->rotate(clock_.now());
    give_back_memory();
    if (clock_.now() < next_expire_) return;
    next_expire_ = clock_.now() + kExpireEvery;
    store_->expire(clock_.wall());
  }

  const std::shared_ptr<TicketKeys> ticket_keys_;
  MonoTime next_expire_{};  // first shard's thread, and what follows
  MonoTime next_trim_{};
  std::uint64_t trimmed_at_ = 0;  // connections accepted by then
};

PushServer::PushServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PushServer::~PushServer() = default;

StoreLimits store_limits(const site::PushServer& server) {
  StoreLimits limits;
  limits.pending_per_device = server.limits.pending_per_device;
  limits.keep_history = std::chrono::days(server.limits.history_days);
  limits.database_bytes = std::int64_t{server.limits.database_mib} << 20U;
  // The most that limits.message_bytes can be: that limit itself may change while the store is
  // open.
  limits.params_bytes = std::size_t{1} << 20U;
  return limits;
}

Result<std::unique_ptr<PushServer>> PushServer::start(ServerConfig config,
                                                      std::unique_ptr<Store> store,
                                                      const Clock& clock, spdlog::logger& log) {
  const site::DistributionPoint& dp = config.dp;
  if (!dp.push_server.enabled) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the push server of distribution point '{}' is off", dp.name),
                 fmt::format("switch it on with: kscpush dp enable {} --port {}", dp.name,
                             dp.push_server.port.value())});
  }
  auto impl = std::make_unique<Impl>(std::move(config), clock, log, std::move(store));
  if (auto started = impl->start(); !started) return fail(started.error());
  return std::unique_ptr<PushServer>(new PushServer(std::move(impl)));
}

Status PushServer::reconfigure(ServerConfig config, const std::function<Status()>& commit) {
  return impl_->reconfigure(std::move(config), commit);
}

void PushServer::recheck(std::vector<DeviceId> ids) {
  for (DeviceId& id : ids) {
    impl_->post(id, [this, id] { impl_->home(id).recheck(id); });
  }
}

void PushServer::stop() {
  impl_->stop();
}
Store& PushServer::store() {
  return *impl_->store_;
}
const Store& PushServer::store() const {
  return *impl_->store_;
}
std::shared_ptr<const ServerConfig> PushServer::config() const {
  return impl_->config();
}
const Clock& PushServer::clock() const {
  return impl_->clock_;
}
WallTime PushServer::started() const {
  return impl_->started_;
}
bool PushServer::ready() const {
  return impl_->ready_ && !draining();
}

void PushServer::drain(std::chrono::seconds within) {
  impl_->context_.draining = true;
  impl_->log_.info("draining {} devices within {} s", connected(), within.count());
  impl_->for_each_worker(
      [deadline = impl_->clock_.now() + within](Worker& worker) { worker.drain(deadline); });
}

void PushServer::stop_draining() {
  if (!impl_->context_.draining.exchange(false)) return;
  impl_->log_.info("draining no more");
  impl_->for_each_worker([](Worker& worker) { worker.stop_draining(); });
}

bool PushServer::draining() const {
  return impl_->context_.draining;
}
std::uint64_t PushServer::connected() const {
  return impl_->connected();
}

std::uint64_t PushServer::step_failures() const {
  std::uint64_t failures = 0;
  for (const auto& shard : impl_->context_.shards) failures += shard->step_failures();
  return failures;
}

std::vector<const Counters*> PushServer::counters() const {
  std::vector<const Counters*> all;
  for (const auto& shard : impl_->context_.shards) all.push_back(&shard->counters());
  return all;
}

namespace {

Result<DeviceRecord> registered(Store& store, const DeviceId& id) {
  auto found = store.find_device(id);
  if (!found) return fail(found.error());
  if (found->has_value()) return **found;
  return fail({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
               fmt::format("'kscpush device list' lists the devices; add it with: kscpush device "
                           "add {}",
                           id.str())});
}

}  // namespace

void PushServer::ping(const DeviceId& id, Duration timeout, ProbeDone done) {
  if (timeout <= Duration::zero() || timeout > kLongestProbe) {
    done(fail(ErrorCode::kUsage, "the timeout must be above 0 and at most 60 seconds"));
    return;
  }
  if (auto known = registered(store(), id); !known) {
    done(fail(known.error()));
    return;
  }
  // The callback is kept here until the task runs: the task may be refused.
  auto shared = std::make_shared<ProbeDone>(std::move(done));
  const bool posted = impl_->post(
      id, [this, id, timeout, shared] { impl_->home(id).probe(id, timeout, std::move(*shared)); });
  if (!posted) (*shared)(fail(stopping()));
}

void PushServer::push(const DeviceId& id, const PushRequest& request,
                      std::function<void(Result<PushRecord>)> done) {
  const PushKindRow* const row = find_push_kind(request.kind);
  if (row == nullptr) {
    done(fail({ErrorCode::kUsage,
               fmt::format("unknown kind of push '{}'", request.kind.substr(0, 40)),
               "known are: sync, ping"}));
    return;
  }
  const auto ttl = request.ttl.value_or(row->default_ttl);
  if (ttl < std::chrono::seconds(0) || ttl > kMaxTtl) {
    done(fail(ErrorCode::kUsage, "the time to live must be from 0 to {} seconds",
              std::chrono::seconds(kMaxTtl).count()));
    return;
  }
  const std::uint32_t most = config()->dp.push_server.limits.message_bytes;
  if (request.params.size() > most) {
    done(fail(ErrorCode::kTooLarge, "the parameters have {} bytes, at most {} are allowed",
              request.params.size(), most));
    return;
  }
  if (auto known = registered(store(), id); !known) {
    done(fail(known.error()));
    return;
  }
  const WallTime now = clock().wall();
  PushRecord record{
      .id = Ulid::generate(now), .device = id, .kind = request.kind, .params = request.params};
  // A wake is content-free: a second one adds nothing to the first.
  if (row->push_class == PushClass::kWake) record.collapse_key = request.kind;
  record.expires = now + (ttl.count() == 0 ? kAnswerDeadline : ttl);
  auto store_it = [this, record = std::move(record), done] {
    auto stored = [this, done](Result<PushRecord> push) {
      if (push) {
        impl_->post(push->device,
                    [this, offered = *push] { impl_->home(offered.device).offer_push(offered); });
      }
      done(std::move(push));
    };
    const bool begun = impl_->unless_stopping([&] { store().add_push(record, std::move(stored)); });
    if (!begun) done(fail(stopping()));
  };
  if (ttl.count() > 0) {
    store_it();
    return;
  }
  // Online only: whether the device is there is the home shard's to say.
  view(id, [id, done, store_it](const std::optional<DeviceView>& seen) {
    if (seen && seen->subscribed) {
      store_it();
    } else {
      done(fail({ErrorCode::kOffline, fmt::format("device '{}' is not connected", id.str()),
                 "this kind of push needs the device now; give a time to live to let it wait"}));
    }
  });
}

void PushServer::add_devices(std::vector<NewDevice> devices, Store::Done done) {
  const bool begun = impl_->unless_stopping([&] { store().add_devices(std::move(devices), done); });
  if (!begun) done(fail(stopping()));
}

void PushServer::change_device(const DeviceId& id, DeviceChange change,
                               std::function<void(Result<DeviceRecord>)> done) {
  auto changed = [this, id, done](Result<DeviceRecord> device) {
    if (device) impl_->post(id, [this, id] { impl_->home(id).recheck(id); });
    done(std::move(device));
  };
  const bool begun = impl_->unless_stopping(
      [&] { store().change_device(id, std::move(change), std::move(changed)); });
  if (!begun) done(fail(stopping()));
}

void PushServer::remove_device(const DeviceId& id, Store::Done done) {
  auto removed = [this, id, done](Status status) {
    if (status) impl_->post(id, [this, id] { impl_->home(id).recheck(id); });
    done(std::move(status));
  };
  const bool begun = impl_->unless_stopping([&] { store().remove_device(id, std::move(removed)); });
  if (!begun) done(fail(stopping()));
}

void PushServer::view(const DeviceId& id, std::function<void(std::optional<DeviceView>)> done) {
  auto shared = std::make_shared<std::function<void(std::optional<DeviceView>)>>(std::move(done));
  const bool posted = impl_->post(id, [this, id, shared] { (*shared)(impl_->home(id).view(id)); });
  if (!posted) (*shared)(std::nullopt);
}

void PushServer::views(std::vector<DeviceId> ids,
                       std::function<void(std::vector<std::optional<DeviceView>>)> done) {
  struct Gather {
    std::vector<DeviceId> ids;
    std::vector<std::optional<DeviceView>> found;
    std::atomic<std::size_t> shards_left{0};
    std::function<void(std::vector<std::optional<DeviceView>>)> done;
  };
  auto gather = std::make_shared<Gather>();
  gather->found.resize(ids.size());
  gather->ids = std::move(ids);
  gather->done = std::move(done);
  const std::size_t count = impl_->context_.shards.size();
  // Each shard fills the places of its own devices; the last one to finish tells.
  gather->shards_left = count;
  const bool posted = impl_->unless_stopping([&] {
    for (std::size_t s = 0; s < count; ++s) {
      Shard& shard = *impl_->context_.shards[s];
      asio::post(shard.loop(), [gather, s, count, &shard] {
        for (std::size_t i = 0; i < gather->ids.size(); ++i) {
          const DeviceId& id = gather->ids[i];
          if (home_shard(id.str(), count) == s) gather->found[i] = shard.view(id);
        }
        if (gather->shards_left.fetch_sub(1) == 1) gather->done(std::move(gather->found));
      });
    }
  });
  if (!posted) gather->done(std::move(gather->found));
}

}  // namespace kscpush::server

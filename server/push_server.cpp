#include "server/push_server.hpp"

#include <latch>
#include <thread>

#include <malloc.h>

#include "core/key_files.hpp"
#include "core/port_protocols.hpp"
#include "server/push_server_impl.hpp"

namespace kscpush::server {
namespace {

constexpr std::chrono::seconds kEndWithin{3};
constexpr std::chrono::minutes kExpireEvery{1};
// At least so long after one another, and after so many connections.
constexpr std::chrono::seconds kTrimEvery{5};
constexpr std::uint64_t kTrimAfter = 100;
// And so often when there are no more: what is noted of the last ones is freed as it is written.
constexpr int kTrimsAfterwards = 2;

}  // namespace

Status PushServer::Impl::start() {
  const site::PushServer& server = config_->dp.push_server;
  std::size_t count = server.limits.shards;
  if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < count; ++i) {
    context_.shards.push_back(std::make_unique<Shard>(i, context_));
    workers_.push_back(std::make_unique<Worker>(*context_.shards.back()));
  }
  auto serving = prepare(*config_, context_.settings, {});
  if (!serving) return fail(serving.error());
  crl_watch_.use(*serving->front().trust);
  // Their pushes are counted while nobody changes any.
  if (auto loaded = rollouts_.load(); !loaded) return loaded;
  if (auto ended = store_->end_open_tunnels(); !ended) return ended;
  tunnels_.use(serving->front().trust);
  side_.add(kTunnelProtocol, tunnels_);
  side_.add(kEnrollProtocol, enrolments_);
  enrolments_.use(serving->front().trust);
  side_.start();
  for (std::size_t i = 0; i < count; ++i) {
    workers_[i]->start(std::move((*serving)[i]), [this, first = i == 0] {
      if (first) expire();
    });
  }
  ready_ = true;
  rollouts_.start();
  log_.info("push server of '{}' on {}:{}, {} shards, up to {} connections", config_->dp.name,
            server.listen, server.port.value(), count, server.max_connections);
  return {};
}

Status PushServer::Impl::reconfigure(ServerConfig config, const std::function<Status()>& commit) {
  const Addresses present = addresses_of(this->config()->dp.push_server);
  // Those that the process was started with: it gets no others.
  if (config.passed == nullptr) config.passed = this->config()->passed;
  auto settings = std::make_shared<const ShardSettings>(config.dp, config.site);
  auto serving = prepare(config, settings, present);
  if (!serving) return fail(serving.error());
  if (!ready_) return fail(stopping_error());
  if (auto committed = commit(); !committed) return committed;
  const std::shared_ptr<const TlsTrust> trust = serving->front().trust;
  std::latch taken_up(static_cast<std::ptrdiff_t>(workers_.size()));
  const bool begun = unless_stopping([&] {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      Worker& worker = *workers_[i];
      worker.shard().loop().post(
          [this, &worker, &taken_up, served = std::move((*serving)[i])]() mutable {
            const bool on = served.settings->dp.push_server.enabled;
            worker.change(std::move(served));
            // Who comes back must not meet the end of those who were sent away.
            if (on && !context_.draining) worker.keep_connections();
            if (!on) {
              worker.end_connections(mqtt::EndReason::kServerShutdown, clock_.now() + kEndWithin,
                                     [] {});
            }
            taken_up.count_down();
          });
    }
  });
  if (!begun) return fail(stopping_error());
  taken_up.wait();
  tunnels_.use(trust);
  crl_watch_.use(*trust);
  enrolments_.use(trust);
  context_.budget.set_limit(config.dp.push_server.max_connections);
  const std::scoped_lock lock(config_mutex_);
  config_ = std::make_shared<const ServerConfig>(std::move(config));
  return {};
}

void PushServer::Impl::stop() {
  {
    const std::unique_lock lock(gate_);
    if (!ready_.exchange(false)) return;
  }
  log_.info("stopping: {} devices connected", connected());
  context_.events.other(EventType::kServerStopping, clock_.wall());
  for (auto& worker : workers_) {
    worker->shard().loop().post([this, w = worker.get()] {
      w->close_listeners();
      w->end_connections(mqtt::EndReason::kServerShutdown, clock_.now() + kEndWithin,
                         [w] { w->stop(); });
    });
  }
  rollouts_.stop();
  for (auto& worker : workers_) worker->join();
  // What the loops and the writer still hold is answered now; the listeners' last handlers run
  // in it too, so they go afterwards. The shards stay: their counters may still be asked for.
  for (auto& shard : context_.shards) {
    shard->write_steps();
    shard->close();
  }
  side_.stop([this] {
    tunnels_.stop();
    enrolments_.stop();
  });
  store_->drain();
  side_.settle();
  waits_.stop();
  log_.info("stopped");
}

Result<std::vector<Serving>> PushServer::Impl::prepare(
    const ServerConfig& config, const std::shared_ptr<const ShardSettings>& settings,
    const Addresses& present) {
  const Addresses wanted = addresses_of(config.dp.push_server);
  if (auto free = check_ports_free(wanted, present, config.passed.get()); !free)
    return fail(free.error());
  // `dp renew-certificate` may have been cut between the two files.
  if (auto whole = catch_up({config.paths.certificate, config.paths.key}); !whole) {
    return fail(whole.error());
  }
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
void PushServer::Impl::give_back_memory() {
  if (clock_.now() < next_trim_) return;
  std::uint64_t accepted = 0;
  for (const auto& shard : context_.shards) accepted += shard->counters().accepted.get();
  if (accepted - trimmed_at_ >= kTrimAfter) {
    trimmed_at_ = accepted;
    trims_left_ = kTrimsAfterwards;
  } else if (trims_left_ == 0) {
    return;
  } else {
    --trims_left_;
  }
  next_trim_ = clock_.now() + kTrimEvery;
  ::malloc_trim(0);
}

void PushServer::Impl::expire() {
  ticket_keys_->rotate(clock_.now());
  give_back_memory();
  if (clock_.now() < next_expire_) return;
  next_expire_ = clock_.now() + kExpireEvery;
  store_->expire(clock_.wall());
  crl_watch_.tick(clock_.wall());
}

Result<DeviceRecord> PushServer::registered(const DeviceId& id) const {
  auto found = impl_->store_->find_device(id);
  if (!found) return fail(found.error());
  if (found->has_value()) return **found;
  return fail(unknown_device(id));
}

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

void PushServer::recheck(const std::vector<DeviceId>& ids) {
  for (const DeviceId& id : ids) impl_->recheck(id);
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
const EnrolCounters& PushServer::enrol_counters() const {
  return impl_->enrolments_.counters();
}
const SideCounters& PushServer::side_counters() const {
  return impl_->side_.counters();
}
const Clock& PushServer::clock() const {
  return impl_->clock_;
}
WallTime PushServer::started() const {
  return impl_->started_;
}
std::optional<std::chrono::seconds> PushServer::crl_left() const {
  return impl_->crl_watch_.left(impl_->clock_.wall());
}
bool PushServer::ready() const {
  return impl_->ready_ && !draining();
}

void PushServer::drain(std::chrono::seconds within) {
  impl_->context_.draining = true;
  events().other(EventType::kServerDraining, clock().wall());
  impl_->log_.info("draining {} devices within {} s", connected(), within.count());
  impl_->for_each_worker(
      [deadline = impl_->clock_.now() + within](Worker& worker) { worker.drain(deadline); });
}

void PushServer::stop_draining() {
  if (!impl_->context_.draining.exchange(false)) return;
  events().other(EventType::kServerServing, clock().wall());
  impl_->log_.info("draining no more");
  impl_->for_each_worker([](Worker& worker) { worker.keep_connections(); });
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

void PushServer::add_devices(std::vector<NewDevice> devices, Store::Done done) {
  const bool begun = impl_->unless_stopping([&] { store().add_devices(std::move(devices), done); });
  if (!begun) done(fail(stopping_error()));
}

void PushServer::change_device(const DeviceId& id, DeviceChange change,
                               const std::function<void(Result<ChangedDevice>)>& done) {
  auto changed = [this, id, done](Result<ChangedDevice> device) {
    if (device) impl_->recheck(id);
    done(std::move(device));
  };
  const bool begun = impl_->unless_stopping(
      [&] { store().change_device(id, std::move(change), std::move(changed)); });
  if (!begun) done(fail(stopping_error()));
}

void PushServer::remove_device(const DeviceId& id, const Store::Done& done) {
  auto removed = [this, id, done](Status status) {
    if (status) impl_->recheck(id);
    done(std::move(status));
  };
  const bool begun = impl_->unless_stopping([&] { store().remove_device(id, std::move(removed)); });
  if (!begun) done(fail(stopping_error()));
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
      shard.loop().post([gather, s, count, &shard] {
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

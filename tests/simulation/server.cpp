#include "tests/simulation/server.hpp"

namespace kscpush::simulation {

namespace {

constexpr std::uint64_t kLane = 0;
constexpr int kMostAttempts = 5;  // of a push, as the server has it
constexpr Duration kExpireEvery = std::chrono::seconds(60);

}  // namespace

SimServer::Process::Process(const site::DistributionPoint& dp, server::ShardStore& store,
                            const Clock& clock, spdlog::logger& log, std::size_t shards)
    : context{std::make_shared<const server::ShardSettings>(dp),        store, clock, log,
              server::ConnectionBudget(dp.push_server.max_connections), false, {},    {}} {
  for (std::size_t i = 0; i < shards; ++i) {
    context.shards.push_back(std::make_unique<server::Shard>(i, context));
  }
}

SimServer::SimServer(Scheduler& scheduler, Verdict& verdict, PushChecker& pushes,
                     test::MemoryStore& store, const ServerPlan& plan, std::uint64_t seed)
    : scheduler_(scheduler),
      verdict_(verdict),
      pushes_(pushes),
      store_(store),
      plan_(plan),
      random_(seed),
      log_("simulation") {
  log_.set_level(spdlog::level::off);
  dp_.name = "dp-1";
  dp_.scope_groups.push_back({std::string(site::kRootGroup), {}});
  dp_.push_server.max_connections = plan.max_connections;
  dp_.push_server.limits = plan.limits;
  scheduler_.after(server::TimerWheel::kTick, kLane, [this] { tick(); });
}

void SimServer::start() {
  process_ = std::make_unique<Process>(dp_, store_, scheduler_, log_, plan_.shards);
}

void SimServer::crash() {
  store_.crash();
  // Of one push no more than one attempt is on its way to a disk that works.
  pushes_.attempts_forgotten(store_.full() ? kMostAttempts : 1);
  keep_counts();
  for (const auto& shard : process_->context.shards) shard->close();
  process_.reset();
  // What the shards noted while they went is no part of the crash.
  store_.crash();
}

void SimServer::stop() {
  for (const auto& shard : process_->context.shards) {
    shard->end_some(1000, mqtt::EndReason::kServerShutdown);
  }
  run();
  keep_counts();
  for (const auto& shard : process_->context.shards) {
    shard->write_steps();
    shard->close();
  }
  store_.close();
  if (store_.full()) pushes_.attempts_forgotten(kMostAttempts);
  process_.reset();
}

void SimServer::keep_counts() {
  for (const auto& shard : process_->context.shards) {
    for (std::size_t i = 0; i < ended_.size(); ++i) ended_[i] += shard->counters().ended[i].get();
    throttled_ += shard->counters().throttled.get();
  }
}

std::uint64_t SimServer::ended(mqtt::EndReason reason) const {
  const auto index = static_cast<std::size_t>(reason);
  std::uint64_t sum = ended_.at(index);
  if (!up()) return sum;
  for (const auto& shard : process_->context.shards) sum += shard->counters().ended[index].get();
  return sum;
}

std::uint64_t SimServer::throttled() const {
  std::uint64_t sum = throttled_;
  if (!up()) return sum;
  for (const auto& shard : process_->context.shards) sum += shard->counters().throttled.get();
  return sum;
}

server::Shard& SimServer::home(const DeviceId& device) const {
  const auto& shards = process_->context.shards;
  return *shards[server::home_shard(device.str(), shards.size())];
}

bool SimServer::accept(const test::WirePtr& wire, const test::PeerIdentity& peer, Random& random) {
  if (!up()) return false;
  server::Shard& shard = *process_->context.shards[random.below(plan_.shards)];
  if (!shard.may_accept()) return false;
  shard.add(test::SimLink::make(wire, shard.loop(), peer));
  return true;
}

void SimServer::push(server::PushRecord push) {
  store_.add_push(std::move(push), [this](const Result<server::PushRecord>& stored) {
    if (!stored) return;
    pushes_.accepted(*stored);
    if (!up()) return;
    server::Shard& shard = home(stored->device);
    shard.loop().post([&shard, offered = *stored] { shard.offer_pushes({offered}); });
  });
}

void SimServer::ping(const DeviceId& device, Duration timeout, server::ProbeDone done) {
  server::Shard& shard = home(device);
  shard.loop().post([&shard, device, timeout, done = std::move(done)]() mutable {
    shard.probe(device, server::ProbeOrder(shard.wall(), timeout), std::move(done));
  });
}

void SimServer::tick() {
  if (up()) {
    for (const auto& shard : process_->context.shards) shard->advance_time();
    if (scheduler_.now() >= next_expire_) {
      next_expire_ = scheduler_.now() + kExpireEvery;
      store_.expire(scheduler_.wall());
    }
  }
  scheduler_.after(server::TimerWheel::kTick, kLane, [this] { tick(); });
}

void SimServer::run() {
  for (bool busy = up(); busy;) {
    busy = false;
    for (const auto& shard : process_->context.shards) {
      busy = shard->loop().poll() > 0 || busy;
    }
  }
  schedule_commit();
}

void SimServer::schedule_commit() {
  if (commit_scheduled_ || store_.queued() == 0 || !up()) return;
  commit_scheduled_ = true;
  const auto delay = random_.time(std::chrono::microseconds(100), plan_.slowest_commit);
  scheduler_.after(delay, kLane, [this] {
    commit_scheduled_ = false;
    store_.commit();
  });
}

void SimServer::check() const {
  if (up()) check_shards(verdict_, process_->context);
}

bool SimServer::knows(const DeviceId& device) const {
  return up() && home(device).view(device).has_value();
}

}  // namespace kscpush::simulation

// The server of a simulated run: shards on a store that commits when the disk has time, and that
// can crash.
#pragma once

#include <memory>

#include <spdlog/logger.h>

#include "server/shard.hpp"
#include "tests/simulation/checkers.hpp"
#include "tests/simulation/scheduler.hpp"
#include "tests/support/net/memory_store.hpp"
#include "tests/support/net/sim_link.hpp"

namespace kscpush::simulation {

struct ServerPlan {
  std::size_t shards = 2;
  site::ServerLimits limits;
  std::chrono::microseconds slowest_commit{50'000};
  std::uint32_t max_connections = 1000;
};

class SimServer {
 public:
  SimServer(Scheduler& scheduler, Verdict& verdict, PushChecker& pushes, test::MemoryStore& store,
            const ServerPlan& plan, std::uint64_t seed);

  void start();
  // As with a power failure: what is not on disk is lost, nobody is told.
  void crash();
  // In good order: devices are told, the store writes everything.
  void stop();
  [[nodiscard]] bool up() const { return process_ != nullptr; }

  // False: nobody listens, or accepts just now.
  [[nodiscard]] bool accept(const test::WirePtr& wire, const test::PeerIdentity& peer,
                            Random& random);
  void push(server::PushRecord push);
  void ping(const DeviceId& device, Duration timeout, server::ProbeDone done);

  // Runs what is ready to run; for after every event.
  void run();
  void check() const;
  [[nodiscard]] bool knows(const DeviceId& device) const;
  [[nodiscard]] std::uint64_t ended(mqtt::EndReason reason) const;
  [[nodiscard]] std::uint64_t throttled() const;

 private:
  struct Process {
    Process(const site::DistributionPoint& dp, server::ShardStore& store, const Clock& clock,
            spdlog::logger& log, std::size_t shards);
    server::ShardContext context;
  };
  [[nodiscard]] server::Shard& home(const DeviceId& device) const;
  void tick();
  void schedule_commit();
  void keep_counts();

  Scheduler& scheduler_;
  Verdict& verdict_;
  PushChecker& pushes_;
  test::MemoryStore& store_;
  const ServerPlan plan_;
  Random random_;
  site::DistributionPoint dp_;
  spdlog::logger log_;
  std::unique_ptr<Process> process_;
  bool commit_scheduled_ = false;
  MonoTime next_expire_{};
  std::array<std::uint64_t, server::kEndReasons> ended_{};  // of processes that are gone
  std::uint64_t throttled_ = 0;                             // the same
};

}  // namespace kscpush::simulation

// Pushes to many devices, sent at a pace, and stopped when too many of them fail.
//
// The store holds what is to be done: the targets that have not got their push yet, and the pushes
// of the others. So a rollout goes on after a restart where it was. In memory are its record and
// how many of its pushes are in which state, which the store's commits keep up to date.
//
//   accepted -> running: waves of pushes, each a transaction; then until all are acknowledged or
//                        have ended -> done
//   running  -> halted (more failures than may), cancelled (on request)
//
// A thread of its own, which sleeps while no rollout runs.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

struct RolloutProgress {
  RolloutRecord rollout;
  PushCounts counts{};
};

// Of those that failed in one way or another, those included that got no push.
[[nodiscard]] std::int64_t failures(const RolloutProgress& progress);
// Of those that are neither acknowledged nor at their end.
[[nodiscard]] std::int64_t unsettled(const PushCounts& counts);

class Rollouts {
 public:
  static constexpr std::size_t kMostRunning = 100;
  static constexpr std::size_t kMostTargets = 1'000'000;
  static constexpr double kLargestRate = 100'000;  // pushes a second

  // Hands stored pushes to the home shards of their devices. ONLINE_ONLY: those who are not
  // connected do not wait for it. Thread safe.
  using Offer = std::function<void(std::vector<PushRecord> pushes, bool online_only)>;
  // Cancels a push, by way of the home shard. Thread safe.
  using Cancel = std::function<void(const PushRecord& push)>;
  using Done = std::function<void(Result<RolloutProgress>)>;
  // REPLAYED: it was made by the same request before.
  using Added = std::function<void(Result<RolloutProgress>, bool replayed)>;
  struct Actions {
    Offer offer;
    Cancel cancel;
    Admit admit;
  };

  // All outlive it.
  Rollouts(Store& store, const Clock& clock, spdlog::logger& log, Actions actions);
  ~Rollouts() { stop(); }
  Rollouts(const Rollouts&) = delete;
  Rollouts& operator=(const Rollouts&) = delete;

  // Takes up what ran when the server ended: before anything else changes the store.
  [[nodiscard]] Status load();
  // Goes on with it, when pushes can be offered.
  void start() { wake(); }
  // Nothing is pushed any more; what runs goes on at the next start.
  void stop();

  // Thread safe, as all that follow. DONE after it is on disk, with all its targets. kOverloaded:
  // as many as may run do.
  void add(NewRollout rollout, std::vector<DeviceId> targets, std::optional<IdempotencyKey> key,
           Added done);
  // Those that were sent are not taken back. kNotFound; kConflict: it has ended.
  void cancel(const Ulid& id, const std::string& reason, Done done);
  [[nodiscard]] Result<RolloutProgress> find(const Ulid& id) const;
  // Newest first, those with a number below BEFORE; 0 for the newest.
  [[nodiscard]] Result<std::vector<RolloutProgress>> list(std::int64_t before,
                                                          std::size_t limit) const;
  [[nodiscard]] std::size_t running() const;
  // What a commit has changed; on the writer's thread.
  void changed(const PushChanges& changes);

 private:
  struct Running {
    explicit Running(RolloutProgress now) : progress(std::move(now)) {}
    RolloutProgress progress;  // under mutex_
    // The rollouts' thread's.
    bool under_way = false;  // a wave, or its end
    double allowance = 0;    // pushes that the rate has room for
    MonoTime paced{};
  };
  using Entry = std::shared_ptr<Running>;

  void enter(RolloutProgress progress);
  [[nodiscard]] Entry find_running(std::int64_t number) const;
  [[nodiscard]] std::vector<Entry> all_running() const;
  [[nodiscard]] RolloutProgress progress_of(const Entry& entry) const;
  void wake();
  void tick();
  void go_on(const Entry& entry);
  [[nodiscard]] std::size_t wave_size(const Entry& entry, const RolloutProgress& progress) const;
  void send_wave(const Entry& entry, std::size_t count);
  void end(const Entry& entry, RolloutState state, const std::string& reason, Done done);
  void cancel_unsent(std::int64_t number, std::int64_t below);

  Store& store_;
  const Clock& clock_;
  spdlog::logger& log_;
  const Actions actions_;
  mutable std::mutex mutex_;
  std::map<std::int64_t, Entry> running_;  // under mutex_; by number
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  asio::steady_timer timer_{loop_};
  bool ticking_ = false;  // the rollouts' thread's
  std::thread thread_;
};

}  // namespace kscpush::server

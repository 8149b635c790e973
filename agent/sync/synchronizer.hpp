// Keeps the device at the policy that it should have (docs/sync.md).
//
//   connected, or a push "sync"  asks with up/sync, naming the revision that it has
//   a push "policy"              merges it with the local settings, writes and applies the result,
//                                tells the outcome with up/state, and answers the pushes
//   then                         stays, or leaves until the synchronization interval is over
//
// In the state directory: policy.json, as the server sent it, and settings.json, what is in force.
// The former is written last: with anything else in it than what is in force it would never be
// asked for again. A policy that cannot be applied leaves all as it was.
//
// One thread: that of the agent's loop.
#pragma once

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <asio/steady_timer.hpp>

#include "agent/handlers.hpp"
#include "agent/presence.hpp"
#include "agent/services.hpp"
#include "agent/sync/schedule.hpp"
#include "core/sync.hpp"

namespace kscpush::agent {

struct SyncOptions {
  // How long a minute of the schedule takes: trials make it short.
  std::chrono::milliseconds minute = std::chrono::minutes(1);
  std::chrono::milliseconds answer_within = std::chrono::seconds(30);
};

class Synchronizer {
 public:
  static constexpr std::size_t kMostWaiting = 16;  // pushes; further ones are answered as failed

  // All outlive it. What was applied before is in force when the call returns.
  Synchronizer(Services& services, Presence& presence, const SyncOptions& options);
  Synchronizer(const Synchronizer&) = delete;
  Synchronizer& operator=(const Synchronizer&) = delete;

  // "sync", "policy".
  void add_to(PushHandlers& handlers);

  [[nodiscard]] const std::optional<SyncSchedule>& schedule() const { return schedule_; }
  // How long the connection schedule has the device wait with an attempt to connect; 0: not at all.
  [[nodiscard]] std::chrono::milliseconds closed_for() const;

 private:
  void restore();
  void connected();
  void ask();
  void wait_for(Answer answer);
  void take(const PushMessage& push);
  [[nodiscard]] Status apply(const PolicyMessage& policy);
  [[nodiscard]] Result<SyncSchedule> put_in_force(const PolicyMessage& policy);
  void use_servers(const std::vector<std::string>& servers);
  void settle(const Result<nlohmann::json>& result);
  void report();
  void come_or_go();
  void no_answer();
  void stop();
  [[nodiscard]] nlohmann::json status() const;

  Services& services_;
  Presence& presence_;
  const SyncOptions options_;
  asio::steady_timer answer_timer_;
  std::mt19937 random_{std::random_device{}()};
  // Of an interval, by which this device comes later than its schedule would let it.
  const double lateness_ = std::uniform_real_distribution<double>(0, 1)(random_);

  std::optional<PolicyMessage> policy_;   // that is in force
  std::optional<SyncSchedule> schedule_;  // of it
  std::string tried_;                     // the revision that result_ is of
  std::string result_;                    // as DeviceReport::Policy has it; empty: none yet
  bool asked_ = false;                    // and not answered
  std::vector<Answer> waiting_;           // for the answer to what has been asked
  std::vector<Answer> later_;             // for the one after that
};

}  // namespace kscpush::agent

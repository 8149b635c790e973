// The configuration that a push server runs: which it is, how another takes its place, and all that
// ran before.
//
// Another one is taken up whole or not at all: it must hold, have the distribution point that is
// served, what it needs of files and ports must be there, and its record must be on disk. Devices
// stay connected unless they are not in scope any more or the push server is off now.
//
// At a start the files on the server's own disk count if they are others than they were the last
// time the server looked at them, else what ran last. So an edit of these files and what was
// applied from elsewhere both outlive a restart, and the later of the two wins.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <asio/thread_pool.hpp>

#include "core/diagnostic.hpp"
#include "core/site/sources.hpp"
#include "policy/plan.hpp"
#include "server/push_server.hpp"

namespace kscpush::server {

using SiteFiles = std::vector<site::SourceFile>;  // the root first
[[nodiscard]] bool same_files(const SiteFiles& a, const SiteFiles& b);

// Never changed: another configuration is another object.
struct RunningSite {
  SiteRevision revision;
  SiteFiles files;
  site::Site site;
};

// Why a configuration is not run: with what is wrong in it, if it is that.
struct Refusal {
  Error error;
  Diagnostics diagnostics{};
};
template <class T>
using SiteResult = tl::expected<T, Refusal>;

// At which pace those devices are told to synchronize whose effective policy, or list of push
// servers, a change concerns.
struct SyncPace {
  static constexpr double kUsualRate = 1000;  // pushes a second

  double rate = kUsualRate;
  std::optional<std::int64_t> max_failures{};
  std::int64_t canary = 0;
};

// The rollout that does so, or why there is none.
struct SyncBegun {
  std::uint64_t devices = 0;
  Result<RolloutProgress> rollout;
};

// What was done or, of a trial, would be.
struct SiteChange {
  std::int64_t from = 0;  // revisions
  std::int64_t to = 0;    // the same as from: nothing was applied
  policy::Plan plan;
  std::vector<std::string> notes;  // what only takes effect at the next start
  // Of those in scope that are not revoked, so many have another effective policy now, or other
  // push servers, and are told to synchronize unless that was not wanted: then nothing.
  std::optional<SyncBegun> sync{};
};

struct SiteRequest {
  SiteFiles files{};
  std::optional<std::int64_t> revision{};     // instead of files: those of that revision
  bool trial = false;                         // plan only
  bool own_files = false;                     // they are those on the server's own disk
  std::optional<SyncPace> sync = SyncPace{};  // nothing: devices hear of it when they come next
  std::string how{};                          // as in SiteRevision
  std::string comment{};
};

class SiteKeeper {
 public:
  using Done = std::function<void(SiteResult<SiteChange>)>;

  static constexpr std::size_t kMostWaiting = 16;        // requests; more are kOverloaded
  static constexpr std::size_t kLongestComment = 1'000;  // bytes

  // What to run at a start, recorded as run. OWN_FILES as found on the server's disk; with FORCE
  // they count in any case. DP: the name of the distribution point that is served.
  [[nodiscard]] static SiteResult<RunningSite> choose(Store& store, const SiteFiles& own_files,
                                                      const std::string& dp, bool force,
                                                      WallTime now);

  // FOLDER: that paths in the configuration are relative to. SERVER and LOG outlive the keeper.
  SiteKeeper(PushServer& server, RunningSite running, std::filesystem::path folder,
             spdlog::logger& log);
  ~SiteKeeper();  // stops
  // Completes what is waiting; what is submitted afterwards is not answered.
  void stop();

  // Thread safe. DONE is called on a thread of the server, or at once when too much is waiting.
  // Refused: kInvalidConfig with diagnostics, kNotFound (the revision, or the distribution point in
  // the files), kTooLarge, and what PushServer::reconfigure() and the store say.
  void submit(SiteRequest request, Done done);
  [[nodiscard]] std::shared_ptr<const RunningSite> running() const;

 private:
  // What looking at every device has found.
  struct Concerned {
    std::vector<DeviceId> out_of_scope;  // now; they were in it
    // Of those that this server lets in: who is answered otherwise than before when it asks.
    std::vector<DeviceId> changed;
  };
  SiteResult<SiteChange> run(const SiteRequest& request, std::vector<DeviceId>& to_tell);
  void synchronize(const SiteChange& change, std::vector<DeviceId> devices, const SyncPace& pace,
                   const Done& done);
  SiteResult<RunningSite> candidate(const SiteRequest& request) const;
  SiteResult<policy::Plan> look_at_devices(const RunningSite& from, const RunningSite& to,
                                           Concerned& concerned) const;
  Status activate(RunningSite& next, const SiteRequest& request, const policy::Plan& plan);
  [[nodiscard]] std::vector<std::string> notes(const site::DistributionPoint& dp) const;

  PushServer& server_;
  const std::string dp_;
  const site::DistributionPoint started_with_;
  const std::filesystem::path folder_;
  spdlog::logger& log_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RunningSite> running_;  // under mutex_
  std::size_t waiting_ = 0;                     // under mutex_
  asio::thread_pool thread_{1};
};

}  // namespace kscpush::server

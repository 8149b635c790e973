#include "server/site_keeper.hpp"

#include <algorithm>
#include <random>

#include <asio/post.hpp>

#include "core/pki.hpp"
#include "core/site/load.hpp"
#include "policy/check.hpp"
#include "server/admin/site_json.hpp"
#include "server/sync/policy_book.hpp"

namespace kscpush::server {
namespace {

using nlohmann::json;

constexpr std::size_t kDevicesAPage = 10'000;

tl::unexpected<Refusal> refuse(Error error, Diagnostics diagnostics = {}) {
  return tl::unexpected<Refusal>(Refusal{std::move(error), std::move(diagnostics)});
}

std::string to_text(const SiteFiles& files) {
  return to_json(files).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<SiteFiles> from_text(const std::string& text) {
  const json list = json::parse(text, nullptr, /*allow_exceptions=*/false);
  auto files = site_files_from_json(list);
  if (!files) return fail(within("the database is damaged", files.error()));
  return files;
}

// Names and texts, each behind its length, so that no two lists look alike.
std::string hash_of(const SiteFiles& files) {
  std::string all;
  for (const site::SourceFile& file : files) {
    all += fmt::format("{}:{}{}:{}", file.name.size(), file.name, file.text.size(), file.text);
  }
  return pki::sha256_hex(all).substr(0, 32);
}

SiteResult<RunningSite> read(SiteFiles files, const std::string& dp) {
  auto sources = site::Sources::from(files);
  if (!sources) return refuse(sources.error());
  Diagnostics diagnostics;
  RunningSite running{{}, std::move(files), site::load(*sources, diagnostics)};
  policy::check(running.site, diagnostics);
  if (has_errors(diagnostics)) {
    const auto errors = std::ranges::count(diagnostics, Severity::kError, &Diagnostic::severity);
    const auto first = std::ranges::find(diagnostics, Severity::kError, &Diagnostic::severity);
    return refuse(
        {ErrorCode::kInvalidConfig,
         fmt::format("the configuration does not hold: {} error{}, the first at {}: {}", errors,
                     errors == 1 ? "" : "s", to_string(first->origin), first->message),
         first->hint},
        std::move(diagnostics));
  }
  if (running.site.find_distribution_point(dp) == nullptr) {
    return refuse({ErrorCode::kNotFound,
                   fmt::format("the configuration has no distribution point '{}', whose push "
                               "server this is",
                               dp),
                   "stop the push server before its distribution point is removed"});
  }
  running.revision.hash = hash_of(running.files);
  return running;
}

SiteResult<RunningSite> read(const SiteRevision& revision, const std::string& dp) {
  auto files = from_text(revision.files);
  if (!files) return refuse(files.error());
  auto running = read(std::move(*files), dp);
  if (running) running->revision = revision;
  return running;
}

// Calls LOOK for every device of the registry.
template <class Look>
Status each_device(const Store& store, Look look) {
  std::string after;
  do {
    auto page = store.list_devices({}, after, kDevicesAPage);
    if (!page) return fail(page.error());
    for (const DeviceRecord& device : page->devices) look(device);
    after = page->next;
  } while (!after.empty());
  return {};
}

Result<policy::Plan> plan_between(const Store& store, const site::Site& from,
                                  const site::Site& to) {
  policy::Planner planner(from, to);
  const auto looked = each_device(store, [&](const DeviceRecord& device) {
    static_cast<void>(planner.look_at(facts_of(device)));
  });
  if (!looked) return fail(looked.error());
  return planner.finish();
}

SiteResult<RunningSite> record(Store& store, RunningSite running, const std::string& plan,
                               WallTime now) {
  running.revision.how = "start";
  running.revision.applied = now;
  running.revision.files = to_text(running.files);
  running.revision.plan = plan;
  const auto number = store.add_revision(running.revision, running.revision.hash);
  if (!number) return refuse(number.error());
  running.revision.number = *number;
  return running;
}

}  // namespace

bool same_files(const SiteFiles& a, const SiteFiles& b) {
  return hash_of(a) == hash_of(b);
}

SiteResult<RunningSite> SiteKeeper::choose(Store& store, const SiteFiles& own_files,
                                           const std::string& dp, bool force, WallTime now) {
  const auto newest = store.newest_revision();
  if (!newest) return refuse(newest.error());
  const auto known = store.file_hash();
  if (!known) return refuse(known.error());
  const std::string hash = hash_of(own_files);
  const bool same_text = *newest && (*newest)->hash == hash;
  if (*newest && (same_text || (!force && *known == hash))) {
    auto running = read(**newest, dp);
    if (!running) {
      running.error().error = within(fmt::format("revision {}, which ran last", (*newest)->number),
                                     running.error().error);
      running.error().error.hint =
          "run the files of this machine instead: kscpush serve --from-file";
      return running;
    }
    if (*known == hash) return running;
    if (const auto noted = store.set_file_hash(hash); !noted) return refuse(noted.error());
    return running;
  }
  auto fresh = read(own_files, dp);
  if (!fresh) return fresh;
  // What ran last may be of a version of the program that knew other keys: then nothing can be said
  // about what has changed since.
  std::string plan = "null";
  if (*newest) {
    if (const auto former = read(**newest, dp)) {
      const auto changes = plan_between(store, former->site, fresh->site);
      if (!changes) return refuse(changes.error());
      plan = to_json(*changes).dump();
    }
  }
  return record(store, std::move(*fresh), plan, now);
}

SiteKeeper::SiteKeeper(PushServer& server, RunningSite running, std::filesystem::path folder,
                       spdlog::logger& log)
    : server_(server),
      dp_(server.config()->dp.name),
      started_with_(server.config()->dp),
      folder_(std::move(folder)),
      log_(log),
      running_(std::make_shared<const RunningSite>(std::move(running))) {}

SiteKeeper::~SiteKeeper() {
  stop();
}

void SiteKeeper::stop() {
  thread_.join();
}

std::shared_ptr<const RunningSite> SiteKeeper::running() const {
  const std::scoped_lock lock(mutex_);
  return running_;
}

void SiteKeeper::submit(SiteRequest request, Done done) {
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_ < kMostWaiting) {
      ++waiting_;
      asio::post(thread_, [this, request = std::move(request), done = std::move(done)] {
        std::vector<DeviceId> to_tell;
        auto change = run(request, to_tell);
        {
          const std::scoped_lock finished(mutex_);
          --waiting_;
        }
        if (!change || to_tell.empty() || !request.sync) return done(std::move(change));
        synchronize(*change, std::move(to_tell), *request.sync, done);
      });
      return;
    }
  }
  done(refuse({ErrorCode::kOverloaded, "too many changes of the configuration are waiting",
               "try again in a moment"}));
}

SiteResult<RunningSite> SiteKeeper::candidate(const SiteRequest& request) const {
  if (request.comment.size() > kLongestComment) {
    return refuse({ErrorCode::kTooLarge,
                   fmt::format("the comment has {} bytes, at most {} are allowed",
                               request.comment.size(), kLongestComment),
                   ""});
  }
  if (!request.revision) return read(request.files, dp_);
  const auto found = server_.store().find_revision(*request.revision);
  if (!found) return refuse(found.error());
  if (!*found) {
    return refuse({ErrorCode::kNotFound, fmt::format("no revision '{}'", *request.revision),
                   "'kscpush history' lists the revisions"});
  }
  return read(**found, dp_);
}

SiteResult<policy::Plan> SiteKeeper::look_at_devices(const RunningSite& from, const RunningSite& to,
                                                     Concerned& concerned) const {
  const auto& before = *from.site.find_distribution_point(dp_);
  const auto& after = *to.site.find_distribution_point(dp_);
  policy::Planner planner(from.site, to.site);
  const auto looked = each_device(server_.store(), [&](const DeviceRecord& device) {
    const auto facts = facts_of(device);
    const policy::Differs differs = planner.look_at(facts);
    const auto where = facts.whereabouts();
    const bool here = site::in_scope(after, where);
    const bool was_here = site::in_scope(before, where);
    if (was_here && !here) concerned.out_of_scope.push_back(device.id);
    if (!here || !after.push_server.enabled || device.revoked) return;
    // Who could not be connected here learns of its push servers when it comes.
    const bool other_servers = differs.servers && was_here && before.push_server.enabled;
    if (differs.policy || other_servers) concerned.changed.push_back(device.id);
  });
  if (!looked) return refuse(looked.error());
  return planner.finish();
}

SiteResult<SiteChange> SiteKeeper::run(const SiteRequest& request, std::vector<DeviceId>& to_tell) {
  auto next = candidate(request);
  if (!next) return tl::unexpected<Refusal>(std::move(next.error()));
  const auto present = running();
  Concerned concerned;
  auto plan = look_at_devices(*present, *next, concerned);
  if (!plan) return tl::unexpected<Refusal>(std::move(plan.error()));
  SiteChange change{present->revision.number, present->revision.number, std::move(*plan),
                    notes(*next->site.find_distribution_point(dp_))};
  if (request.trial) return change;
  const bool same_text = next->revision.hash == present->revision.hash;
  // The files that the configuration names may be others though it is the same: they are taken up
  // all the same, certificates for one.
  if (auto done = activate(*next, request, change.plan); !done) return refuse(done.error());
  if (!same_text) change.to = next->revision.number;
  server_.events().other(EventType::kSiteApplied, server_.clock().wall(), change.to);
  log_.info("configuration: revision {} ({}), {} changes, the effective policy of {} devices",
            change.to, request.how, change.plan.changes.size(), change.plan.policy_changes);
  const std::scoped_lock lock(mutex_);
  if (!same_text) running_ = std::make_shared<const RunningSite>(std::move(*next));
  server_.recheck(std::move(concerned.out_of_scope));
  to_tell = std::move(concerned.changed);
  return change;
}

// Only when the configuration is in force: what a device is told is what it is answered when it
// asks.
void SiteKeeper::synchronize(const SiteChange& change, std::vector<DeviceId> devices,
                             const SyncPace& pace, const Done& done) {
  const std::size_t count = devices.size();
  const auto finish = [this, count, done, change](const Result<RolloutProgress>& begun) {
    if (begun) {
      log_.info("{} devices are told to synchronize: rollout {}", count,
                begun->rollout.order.id.str());
    } else {
      log_.warn("{} devices are not told to synchronize: {}", count, begun.error().message);
    }
    SiteChange told = change;
    told.sync = SyncBegun{count, begun};
    done(std::move(told));
  };
  if (count > Rollouts::kMostTargets) {
    return finish(fail({ErrorCode::kTooLarge,
                        fmt::format("a rollout has at most {} devices", Rollouts::kMostTargets),
                        "they hear of it when they connect next"}));
  }
  // Neighbours in the registry are often neighbours in a network.
  std::shuffle(devices.begin(), devices.end(), std::mt19937_64(std::random_device{}()));
  server_.roll_out(std::move(devices), {.kind = "sync"},
                   {.targets = json{{"revision", change.to}}.dump(),
                    .rate = pace.rate,
                    .max_failures = pace.max_failures,
                    .canary = pace.canary},
                   [finish](const Result<RolloutProgress>& begun, bool) { finish(begun); });
}

Status SiteKeeper::activate(RunningSite& next, const SiteRequest& request,
                            const policy::Plan& plan) {
  const auto& dp = *next.site.find_distribution_point(dp_);
  const bool same_text = next.revision.hash == running()->revision.hash;
  const auto recorded = [&]() -> Status {
    if (same_text) {
      return request.own_files ? server_.store().set_file_hash(next.revision.hash) : Status();
    }
    next.revision.how = request.how;
    next.revision.comment = request.comment;
    next.revision.applied = server_.clock().wall();
    next.revision.files = to_text(next.files);
    next.revision.plan = to_json(plan).dump();
    const auto number = server_.store().add_revision(
        next.revision, request.own_files ? std::optional(next.revision.hash) : std::nullopt);
    if (!number) return fail(number.error());
    next.revision.number = *number;
    return {};
  };
  return server_.reconfigure(
      {dp, site::server_paths(dp, folder_), std::make_shared<const site::Site>(next.site)},
      recorded);
}

std::vector<std::string> SiteKeeper::notes(const site::DistributionPoint& dp) const {
  std::vector<std::string> all;
  const auto compare = [&](std::string_view what, const auto& started, const auto& wanted) {
    if (started == wanted) return;
    all.push_back(
        fmt::format("push_server.{} takes effect when the push server is started again", what));
  };
  const site::PushServer& started = started_with_.push_server;
  const site::PushServer& wanted = dp.push_server;
  compare("state_directory", started.state_directory, wanted.state_directory);
  compare("limits.shards", started.limits.shards, wanted.limits.shards);
  compare("limits.pending_per_device", started.limits.pending_per_device,
          wanted.limits.pending_per_device);
  compare("limits.history_days", started.limits.history_days, wanted.limits.history_days);
  compare("limits.database_mib", started.limits.database_mib, wanted.limits.database_mib);
  compare("admin.listen", std::pair(started.admin.listen.host, started.admin.listen.port.value()),
          std::pair(wanted.admin.listen.host, wanted.admin.listen.port.value()));
  compare("admin.token_file", started.admin.token_file, wanted.admin.token_file);
  compare("admin.operator_token_file", started.admin.operator_token_file,
          wanted.admin.operator_token_file);
  compare("admin.viewer_token_file", started.admin.viewer_token_file,
          wanted.admin.viewer_token_file);
  return all;
}

}  // namespace kscpush::server

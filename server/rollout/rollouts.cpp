#include "server/rollout/rollouts.hpp"

#include <algorithm>

#include <asio/post.hpp>

namespace kscpush::server {
namespace {

constexpr std::chrono::milliseconds kTick{100};
// Pushes in one transaction: others' changes wait no longer than that takes.
constexpr std::size_t kWave = 1000;
constexpr std::size_t kCancelPage = 500;

std::int64_t of(const PushCounts& counts, PushState state) {
  return counts.at(static_cast<std::size_t>(state));
}

std::string too_many(std::int64_t failed, std::int64_t may) {
  return fmt::format("{} failed, {} may", failed, may);
}

}  // namespace

std::int64_t failures(const RolloutProgress& progress) {
  std::int64_t sum = progress.rollout.refused;
  for (const PushState state :
       {PushState::kFailed, PushState::kExpired, PushState::kRejected, PushState::kUndeliverable}) {
    sum += of(progress.counts, state);
  }
  return sum;
}

std::int64_t unsettled(const PushCounts& counts) {
  return of(counts, PushState::kAccepted) + of(counts, PushState::kStored) +
         of(counts, PushState::kSent);
}

// Of the canary: what is answered must have been, as an acknowledgement says only that the device
// has it.
std::int64_t unproven(const RolloutRecord& rollout, const PushCounts& counts) {
  const PushKindRow* const kind = find_push_kind(rollout.order.kind);
  const bool answered = kind != nullptr && kind->push_class == PushClass::kRpc;
  return unsettled(counts) +
         (answered ? of(counts, PushState::kAcked) + of(counts, PushState::kStarted) : 0);
}

Rollouts::Rollouts(Store& store, const Clock& clock, spdlog::logger& log, Actions actions)
    : store_(store), clock_(clock), log_(log), actions_(std::move(actions)), thread_([this] {
        loop_.run();
      }) {
  ::pthread_setname_np(thread_.native_handle(), "rollouts");
}

Status Rollouts::load() {
  const auto running = store_.running_rollouts();
  if (!running) return fail(running.error());
  for (const RolloutRecord& rollout : *running) {
    const auto counts = store_.count_states(rollout.number);
    if (!counts) return fail(counts.error());
    log_.info("rollout {} goes on: {} of {} pushed", rollout.order.id.str(), rollout.next,
              rollout.total);
    enter({rollout, *counts});
  }
  return {};
}

void Rollouts::stop() {
  if (!thread_.joinable()) return;
  asio::post(loop_, [this] { loop_.stop(); });
  thread_.join();
}

void Rollouts::enter(RolloutProgress progress) {
  const std::int64_t number = progress.rollout.number;
  auto entry = std::make_shared<Running>(std::move(progress));
  entry->paced = clock_.now();
  const std::scoped_lock lock(mutex_);
  running_.emplace(number, std::move(entry));
}

Rollouts::Entry Rollouts::find_running(std::int64_t number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = running_.find(number);
  return found == running_.end() ? nullptr : found->second;
}

std::vector<Rollouts::Entry> Rollouts::all_running() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Entry> all;
  for (const auto& [number, entry] : running_) all.push_back(entry);
  return all;
}

RolloutProgress Rollouts::progress_of(const Entry& entry) const {
  const std::scoped_lock lock(mutex_);
  return entry->progress;
}

std::size_t Rollouts::running() const {
  const std::scoped_lock lock(mutex_);
  return running_.size();
}

void Rollouts::changed(const PushChanges& changes) {
  const std::scoped_lock lock(mutex_);
  if (running_.empty()) return;
  for (const PushChange& change : changes) {
    const auto found = running_.find(change.rollout);
    if (found == running_.end()) continue;
    PushCounts& counts = found->second->progress.counts;
    if (change.from) --counts.at(static_cast<std::size_t>(*change.from));
    ++counts.at(static_cast<std::size_t>(change.state));
  }
}

// --- The rollouts' thread

void Rollouts::wake() {
  asio::post(loop_, [this] {
    if (!ticking_) tick();
  });
}

// While there are any. What changes their counts is looked at with the next tick.
void Rollouts::tick() {
  const auto all = all_running();
  ticking_ = !all.empty();
  if (!ticking_) return;
  for (const Entry& entry : all) go_on(entry);
  timer_.expires_after(kTick);
  timer_.async_wait([this](const asio::error_code& error) {
    if (!error) tick();
  });
}

void Rollouts::go_on(const Entry& entry) {
  if (entry->under_way) return;
  const RolloutProgress progress = progress_of(entry);
  const RolloutRecord& rollout = progress.rollout;
  const std::int64_t failed = failures(progress);
  const bool canary = rollout.next <= rollout.order.canary;
  std::optional<std::int64_t> may = rollout.order.max_failures;
  if (canary && rollout.order.canary > 0) may = 0;
  if (may && failed > *may) {
    const std::string reason =
        canary ? "of the first, " + too_many(failed, *may) : too_many(failed, *may);
    return end(entry, RolloutState::kHalted, reason, nullptr);
  }
  if (rollout.next == rollout.total) {
    if (unsettled(progress.counts) == 0) end(entry, RolloutState::kDone, "", nullptr);
    return;
  }
  if (rollout.next == rollout.order.canary && unproven(rollout, progress.counts) > 0) return;
  if (const std::size_t count = wave_size(entry, progress); count > 0) send_wave(entry, count);
}

std::size_t Rollouts::wave_size(const Entry& entry, const RolloutProgress& progress) const {
  const RolloutRecord& rollout = progress.rollout;
  std::int64_t most = std::min<std::int64_t>(kWave, rollout.total - rollout.next);
  if (rollout.next < rollout.order.canary) {
    most = std::min(most, rollout.order.canary - rollout.next);
  }
  if (rollout.order.rate <= 0) return static_cast<std::size_t>(most);
  const MonoTime now = clock_.now();
  const double passed = std::chrono::duration<double>(now - entry->paced).count();
  // What could not be sent in a second is not made up for.
  const double burst = std::max(1.0, rollout.order.rate);
  entry->allowance = std::min(burst, entry->allowance + passed * rollout.order.rate);
  entry->paced = now;
  most = std::min(most, static_cast<std::int64_t>(entry->allowance));
  entry->allowance -= static_cast<double>(most);
  return static_cast<std::size_t>(most);
}

void Rollouts::send_wave(const Entry& entry, std::size_t count) {
  entry->under_way = true;
  const std::int64_t number = entry->progress.rollout.number;
  store_.advance_rollout(number, count, actions_.admit, [this, entry](Result<RolloutWave> wave) {
    if (wave) {
      const std::scoped_lock lock(mutex_);
      entry->progress.rollout = wave->rollout;
    } else if (wave.error().code != ErrorCode::kConflict) {
      log_.error("rollout {} cannot go on for now: {}", entry->progress.rollout.order.id.str(),
                 wave.error().message);
    }
    const bool sent = wave.has_value();
    if (sent) actions_.offer(std::move(wave->pushes), wave->rollout.order.ttl.count() == 0);
    asio::post(loop_, [this, entry, sent] {
      entry->under_way = false;
      // A disk that is full is tried again with the next tick.
      if (sent) go_on(entry);
    });
  });
}

void Rollouts::end(const Entry& entry, RolloutState state, const std::string& reason, Done done) {
  entry->under_way = true;
  const std::int64_t number = entry->progress.rollout.number;
  store_.end_rollout(number, state, reason, [this, entry, done](Result<RolloutRecord> ended) {
    if (ended) {
      {
        const std::scoped_lock lock(mutex_);
        entry->progress.rollout = *ended;
        running_.erase(ended->number);
      }
      log_.info("rollout {} is {}: {} of {} pushed{}{}", ended->order.id.str(),
                to_string(ended->state), ended->next, ended->total,
                ended->reason.empty() ? "" : ", ", ended->reason);
      if (ended->state == RolloutState::kCancelled) cancel_unsent(ended->number, 0);
    }
    asio::post(loop_, [entry] { entry->under_way = false; });
    if (done == nullptr) return;
    if (!ended) return done(fail(ended.error()));
    done(progress_of(entry));
  });
}

// --- Requests

void Rollouts::add(NewRollout rollout, std::vector<DeviceId> targets,
                   std::optional<IdempotencyKey> key, Added done) {
  if (running() >= kMostRunning) {
    return done(fail({ErrorCode::kOverloaded,
                      fmt::format("{} rollouts are running already", std::size_t{kMostRunning}),
                      "wait until one is done, or cancel one: 'kscpush rollout list' lists them"}),
                false);
  }
  store_.add_rollout(std::move(rollout), std::move(targets), std::move(key),
                     [this, done = std::move(done)](Result<OnceRollout> added) {
                       if (!added) return done(fail(added.error()), false);
                       if (added->replayed) return done(find(added->rollout.order.id), true);
                       const RolloutProgress progress{std::move(added->rollout), {}};
                       enter(progress);
                       wake();
                       done(progress, false);
                     });
}

void Rollouts::cancel(const Ulid& id, const std::string& reason, Done done) {
  const auto found = find(id);
  if (!found) return done(fail(found.error()));
  const RolloutRecord& rollout = found->rollout;
  const Entry entry = find_running(rollout.number);
  if (entry == nullptr) {
    return done(
        fail(ErrorCode::kConflict, "rollout {} is {} already", id.str(), to_string(rollout.state)));
  }
  asio::post(loop_, [this, entry, reason, done = std::move(done)] {
    end(entry, RolloutState::kCancelled, reason, done);
  });
}

// A page, and the next when the writer has done with this one.
void Rollouts::cancel_unsent(std::int64_t number, std::int64_t below) {
  PushFilter filter;
  filter.rollout = number;
  filter.state = PushState::kStored;
  asio::post(loop_, [this, number, below, filter] {
    const auto page = store_.list_pushes(filter, below, kCancelPage);
    if (!page) {
      log_.error("the pushes of a cancelled rollout cannot be read: {}", page.error().message);
      return;
    }
    for (const PushRecord& push : page->pushes) actions_.cancel(push);
    if (page->next != 0) cancel_unsent(number, page->next);
  });
}

Result<RolloutProgress> Rollouts::find(const Ulid& id) const {
  const auto found = store_.find_rollout(id);
  if (!found) return fail(found.error());
  if (!found->has_value()) {
    return fail({ErrorCode::kNotFound, fmt::format("no rollout '{}'", id.str()),
                 "'kscpush rollout list' lists them; they are forgotten with their last push"});
  }
  if (const Entry entry = find_running((*found)->number)) return progress_of(entry);
  const auto counts = store_.count_states((*found)->number);
  if (!counts) return fail(counts.error());
  return RolloutProgress{**found, *counts};
}

Result<std::vector<RolloutProgress>> Rollouts::list(std::int64_t before, std::size_t limit) const {
  const auto rollouts = store_.list_rollouts(before, limit);
  if (!rollouts) return fail(rollouts.error());
  std::vector<RolloutProgress> all;
  for (const RolloutRecord& rollout : *rollouts) {
    if (const Entry entry = find_running(rollout.number)) {
      all.push_back(progress_of(entry));
      continue;
    }
    const auto counts = store_.count_states(rollout.number);
    if (!counts) return fail(counts.error());
    all.push_back({rollout, *counts});
  }
  return all;
}

}  // namespace kscpush::server

// The part of the store that keeps rollouts, and takes many pushes at once.
#include <algorithm>
#include <span>

#include "server/store/pushes.hpp"
#include "server/store/rollouts.hpp"
#include "server/store/store_impl.hpp"

namespace kscpush::server {
namespace {

// Targets stored in one change, so that those of others need not wait for all of them.
constexpr std::size_t kTargetsAtOnce = 20'000;

// Runs CHANGE, a function (Database&) -> Result<T>, and gives DONE what it returned, when that is
// on disk.
template <class T, class Change>
void post(Writer& writer, std::size_t bytes, Change change, std::function<void(Result<T>)> done) {
  const auto result = std::make_shared<std::optional<T>>();
  writer.post(
      [result, change = std::move(change)](Database& database) mutable -> Status {
        auto changed = change(database);
        if (!changed) return fail(changed.error());
        *result = std::move(*changed);
        return {};
      },
      [result, done = std::move(done)](const Status& status) {
        if (done == nullptr) return;
        if (status) {
          done(std::move(**result));
        } else {
          done(fail(status.error()));
        }
      },
      bytes);
}

std::size_t bytes_of(const std::vector<PushRecord>& pushes) {
  std::size_t bytes = pushes.size() * sizeof(PushRecord);
  for (const PushRecord& push : pushes) bytes += push.params.size();
  return bytes;
}

// A rollout on its way to the disk.
struct Adding {
  std::vector<DeviceId> targets;
  std::size_t stored = 0;
  std::int64_t number = 0;
  std::function<void(Result<OnceRollout>)> done;
};

Result<std::optional<OnceRollout>> find_replay(Database& database, const IdempotencyKey& key,
                                               WallTime now) {
  const auto known = idempotency::find(database, key, now);
  if (!known) return fail(known.error());
  if (!known->has_value()) return std::nullopt;
  auto rollout = rollouts::find(database, *Ulid::parse(**known));
  if (!rollout) return fail(rollout.error());
  if (*rollout) return OnceRollout{std::move(**rollout), true};
  return fail(Error{ErrorCode::kConflict,
                    fmt::format("what was made with the idempotency key '{}' is forgotten, or not "
                                "complete yet",
                                key.key),
                    "a new request needs a new key", "Idempotency-Key"});
}

// A part, and the next; with the last one it is open.
void add_targets(Writer& writer, const std::shared_ptr<Adding>& adding) {
  const auto all = std::span<const DeviceId>(adding->targets);
  const auto part =
      all.subspan(adding->stored, std::min(kTargetsAtOnce, all.size() - adding->stored));
  const bool last = adding->stored + part.size() == all.size();
  post<std::optional<RolloutRecord>>(
      writer, 0,
      [adding, part, last](Database& database) -> Result<std::optional<RolloutRecord>> {
        const auto first = static_cast<std::int64_t>(adding->stored);
        auto added = rollouts::add_targets(database, adding->number, first, part);
        if (!added) return fail(added.error());
        if (!last) return std::nullopt;
        auto rollout = rollouts::open(database, adding->number);
        if (!rollout) return fail(rollout.error());
        return std::move(*rollout);
      },
      [&writer, adding, size = part.size()](Result<std::optional<RolloutRecord>> rollout) {
        if (!rollout) return adding->done(fail(rollout.error()));
        if (*rollout) return adding->done(OnceRollout{std::move(**rollout)});
        adding->stored += size;
        add_targets(writer, adding);
      });
}

}  // namespace

void Store::add_pushes(std::vector<PushRecord> pushes, Admit admit,
                       std::function<void(Result<PushResults>)> done) {
  const std::size_t bytes = bytes_of(pushes);
  const auto change = [all = std::make_shared<std::vector<PushRecord>>(std::move(pushes)),
                       admit = std::move(admit), impl = impl_.get()](Database& database) {
    const WallTime now = impl->clock.wall();
    Result<PushResults> results{PushResults()};
    const auto add_all = [&](StoreChanges& changes) -> Status {
      pushes::Adder adder(database, admit, impl->limits, impl->sent_ahead, now, changes,
                          impl->meter);
      for (PushRecord& push : *all) {
        auto against = adder.add(push);
        if (!against) return fail(against.error());
        if (*against) {
          results->push_back(fail(std::move(**against)));
        } else {
          results->push_back(std::move(push));
        }
      }
      return {};
    };
    if (auto added = impl->changing(add_all); !added) results = fail(added.error());
    return results;
  };
  post<PushResults>(impl_->writer, bytes, change, std::move(done));
}

void Store::add_rollout(NewRollout rollout, std::vector<DeviceId> targets,
                        std::optional<IdempotencyKey> key,
                        std::function<void(Result<OnceRollout>)> done) {
  const auto adding = std::make_shared<Adding>(Adding{std::move(targets), 0, 0, std::move(done)});
  const std::size_t bytes = rollout.params.size() + adding->targets.size() * sizeof(DeviceId) * 2;
  const auto begin = [adding, rollout = std::move(rollout), key = std::move(key),
                      impl =
                          impl_.get()](Database& database) -> Result<std::optional<OnceRollout>> {
    const WallTime now = impl->clock.wall();
    if (key) {
      auto replay = find_replay(database, *key, now);
      if (!replay || *replay) return replay;
    }
    const auto number = rollouts::begin(database, rollout, now);
    if (!number) return fail(number.error());
    adding->number = *number;
    if (key) {
      auto kept = idempotency::remember(database, *key, rollout.id.str(), now);
      if (!kept) return fail(kept.error());
    }
    return std::nullopt;
  };
  post<std::optional<OnceRollout>>(
      impl_->writer, bytes, begin,
      [adding, impl = impl_.get()](Result<std::optional<OnceRollout>> begun) {
        if (!begun) return adding->done(fail(begun.error()));
        if (*begun) return adding->done(std::move(**begun));
        add_targets(impl->writer, adding);
      });
}

void Store::advance_rollout(std::int64_t number, std::size_t count, Admit admit,
                            std::function<void(Result<RolloutWave>)> done) {
  const auto advance = [number, count, admit = std::move(admit),
                        impl = impl_.get()](Database& database) {
    Result<RolloutWave> wave = fail(ErrorCode::kFailed, "not tried");
    const auto changed = impl->changing([&](StoreChanges& changes) -> Status {
      wave = rollouts::advance(database, number, count, admit, impl->limits, impl->sent_ahead,
                               impl->clock.wall(), changes);
      if (!wave) return fail(wave.error());
      return {};
    });
    static_cast<void>(changed);
    return wave;
  };
  post<RolloutWave>(impl_->writer, 0, advance, std::move(done));
}

void Store::end_rollout(std::int64_t number, RolloutState state, std::string reason,
                        std::function<void(Result<RolloutRecord>)> done) {
  post<RolloutRecord>(
      impl_->writer, 0,
      [number, state, reason = std::move(reason), &clock = impl_->clock](Database& database) {
        return rollouts::end(database, number, state, reason, clock.wall());
      },
      std::move(done));
}

Result<std::optional<RolloutRecord>> Store::find_rollout(const Ulid& id) const {
  return impl_->readers.use([&](Database& database) { return rollouts::find(database, id); });
}

Result<std::vector<RolloutRecord>> Store::list_rollouts(std::int64_t before,
                                                        std::size_t limit) const {
  return impl_->readers.use(
      [&](Database& database) { return rollouts::list(database, before, limit); });
}

Result<std::vector<RolloutRecord>> Store::running_rollouts() const {
  return impl_->readers.use([](Database& database) { return rollouts::running(database); });
}

Result<PushCounts> Store::count_states(std::int64_t rollout) const {
  return impl_->readers.use([&](Database& database) { return rollouts::count(database, rollout); });
}

}  // namespace kscpush::server

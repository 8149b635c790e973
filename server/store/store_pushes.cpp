// The part of the store that keeps pushes.
#include "server/store/pushes.hpp"
#include "server/store/resync.hpp"
#include "server/store/rollouts.hpp"
#include "server/store/store_impl.hpp"
#include "server/store/tokens.hpp"

namespace kscpush::server {
namespace {

constexpr std::size_t kExpireBatch = 100;  // of each kind in a transaction, which pushes wait for

}  // namespace

void Store::Impl::expire(WallTime now, Done done) {
  const auto more = std::make_shared<bool>(false);
  writer.post(
      [this, now, more](Database& database) -> Status {
        return changing([&](StoreChanges& into) -> Status {
          const auto expired = pushes::expire(database, kExpireBatch, limits, now, into);
          if (!expired) return fail(expired.error());
          const auto forgotten = idempotency::forget(database, kExpireBatch, now);
          if (!forgotten) return fail(forgotten.error());
          const auto dropped =
              rollouts::drop_old(database, kExpireBatch, now - limits.keep_history);
          if (!dropped) return fail(dropped.error());
          const auto audited = tunnels::drop_old(database, kExpireBatch, now - limits.keep_history);
          if (!audited) return fail(audited.error());
          const auto tokens = tokens::forget(database, kExpireBatch, now);
          if (!tokens) return fail(tokens.error());
          *more = *expired || *forgotten || *dropped || *audited || *tokens;
          return {};
        });
      },
      [this, now, more, done = std::move(done)](const Status& status) {
        if (status && *more) {
          expire(now, done);
        } else if (done != nullptr) {
          done(status);
        }
      });
}

namespace {

// A push on its way into the table. What is objected to it is no failed change: that the device
// misses it is written.
struct Adding {
  OncePush push;
  std::optional<Error> objection;
  bool is_needed = true;
};

template <class T>
Result<T> outcome(const Status& status, Adding& adding, T&& made) {
  if (!status) return fail(status.error());
  if (adding.objection) return fail(std::move(*adding.objection));
  return std::forward<T>(made);
}

}  // namespace

Status Store::Impl::add(Database& database, PushRecord& push, const Admit& admit, bool beyond,
                        std::optional<Error>& objection) {
  return changing([&](StoreChanges& changes) -> Status {
    pushes::Adder adder(database, admit, limits, sent_ahead, clock.wall(), changes, meter,
                        pushes::Adder::Undo::kAdder);
    auto against = adder.add(push, beyond);
    if (!against) return fail(against.error());
    objection = std::move(*against);
    return {};
  });
}

void Store::add_push(PushRecord push, std::function<void(Result<PushRecord>)> done, Admit admit) {
  const auto shared = std::make_shared<Adding>(Adding{{std::move(push)}, std::nullopt});
  const std::size_t bytes = shared->push.push.params.size();
  impl_->writer.post(
      [shared, admit = std::move(admit), impl = impl_.get()](Database& database) {
        return impl->add(database, shared->push.push, admit, false, shared->objection);
      },
      [shared, done = std::move(done)](const Status& status) {
        if (done != nullptr) done(outcome(status, *shared, std::move(shared->push.push)));
      },
      bytes, Writer::Pace::kHaste, Writer::Undo::kByItself);
}

void Store::add_resync(PushRecord push,
                       std::function<void(Result<std::optional<PushRecord>>)> done) {
  const auto shared = std::make_shared<Adding>(Adding{{std::move(push)}, std::nullopt});
  impl_->writer.post(
      [shared, impl = impl_.get()](Database& database) -> Status {
        const auto owed = resync::is_owed(database, shared->push.push.device);
        if (!owed) return fail(owed.error());
        shared->is_needed = *owed;
        if (!*owed) return {};
        return impl->add(database, shared->push.push, nullptr, true, shared->objection);
      },
      [shared, done = std::move(done)](const Status& status) {
        std::optional<PushRecord> made;
        if (shared->is_needed) made = std::move(shared->push.push);
        done(outcome(status, *shared, std::move(made)));
      });
}

namespace {

// The push that KEY was used for, if it was.
Result<std::optional<PushRecord>> find_replay(Database& database, const IdempotencyKey& key,
                                              WallTime now) {
  const auto known = idempotency::find(database, key, now);
  if (!known) return fail(known.error());
  if (!known->has_value()) return std::nullopt;
  auto push = pushes::find(database, *Ulid::parse(**known), now);
  if (!push || push->has_value()) return push;
  return fail(Error{
      ErrorCode::kConflict,
      fmt::format("push {}, made with the idempotency key '{}', is forgotten", **known, key.key),
      "a new push needs a new key", "Idempotency-Key"});
}

}  // namespace

void Store::add_push_once(PushRecord push, IdempotencyKey key,
                          std::function<void(Result<OncePush>)> done, Admit admit) {
  const auto shared = std::make_shared<Adding>(Adding{{std::move(push)}, std::nullopt});
  const std::size_t bytes = shared->push.push.params.size();
  impl_->writer.post(
      [shared, key = std::move(key), admit = std::move(admit),
       impl = impl_.get()](Database& database) -> Status {
        const WallTime now = impl->clock.wall();
        auto replay = find_replay(database, key, now);
        if (!replay) return fail(replay.error());
        if (replay->has_value()) {
          shared->push = {std::move(**replay), true};
          return {};
        }
        return impl->changing([&](StoreChanges&) -> Status {
          auto added = impl->add(database, shared->push.push, admit, false, shared->objection);
          if (!added || shared->objection) return added;
          return idempotency::remember(database, key, shared->push.push.id.str(), now);
        });
      },
      [shared, done = std::move(done)](const Status& status) {
        done(outcome(status, *shared, std::move(shared->push)));
      },
      bytes);
}

Result<std::optional<std::string>> Store::find_key(const IdempotencyKey& key) const {
  return impl_->readers.use(
      [&](Database& database) { return idempotency::find(database, key, impl_->clock.wall()); });
}

void Store::step(PushStep step, std::shared_ptr<StepSink> sink) {
  switch (impl_->steps.put(step, sink)) {
    case StepQueue::Put::kRefused:
      impl_->missed_step = true;
      if (sink != nullptr) sink->written(std::move(step), fail(Writer::queue_full()));
      return;
    case StepQueue::Put::kFirst:
      return impl_->write_steps();
    case StepQueue::Put::kBehind:
      return;
  }
}

bool Store::sent_ahead(const PushStep& sent) {
  return impl_->sent_ahead.add(sent);
}

void Store::Impl::write_steps() {
  const auto batch = std::make_shared<StepQueue::Batch>();
  writer.post(
      [batch, this](Database& database) {
        *batch = steps.take();
        return changing([&](StoreChanges& changes) {
          return pushes::apply(database, batch->steps, limits, changes, batch->results);
        });
      },
      [batch, this](const Status& status) {
        if (batch->steps.empty()) *batch = steps.take();  // nothing was tried
        for (std::size_t i = 0; i < batch->steps.size(); ++i) {
          const Status& result = status ? batch->results[i] : status;
          if (!result && result.error().code != ErrorCode::kNotFound) missed_step = true;
          if (batch->sinks[i] != nullptr) {
            batch->sinks[i]->written(std::move(batch->steps[i]), result);
          }
        }
        if (status) sent_ahead.remove(batch->steps);
        steps.give_back(std::move(*batch));
      },
      0, Writer::Pace::kPatient);
}

void Store::cancel(const Ulid& id, std::string reason, Cancelled done) {
  const auto cancelled = std::make_shared<std::optional<PushRecord>>();
  impl_->writer.post(
      [id, reason = std::move(reason), cancelled, impl = impl_.get()](Database& database) {
        return impl->changing([&](StoreChanges& changes) -> Status {
          auto push =
              pushes::cancel(database, id, reason, impl->limits, impl->clock.wall(), changes);
          if (!push) return fail(push.error());
          *cancelled = std::move(*push);
          return {};
        });
      },
      [cancelled, done = std::move(done)](const Status& status) {
        if (status) {
          done(std::move(**cancelled));
        } else {
          done(fail(status.error()));
        }
      });
}

Result<std::optional<PushRecord>> Store::find_push(const Ulid& id) const {
  return impl_->readers.use(
      [&](Database& database) { return pushes::find(database, id, impl_->clock.wall()); });
}

Result<std::vector<PushRecord>> Store::pending(const DeviceId& device, WallTime now,
                                               std::int64_t after, std::size_t limit,
                                               std::optional<PushLane> lane) const {
  return impl_->readers.use([&](Database& database) {
    return pushes::pending(database, device, now, after, limit, lane);
  });
}

std::int64_t Store::perhaps_sent() const {
  return impl_->perhaps_sent;
}

Result<std::optional<PushRecord>> Store::find_push(std::int64_t seq) const {
  return impl_->readers.use(
      [&](Database& database) { return pushes::find(database, seq, impl_->clock.wall()); });
}

Result<std::size_t> Store::count_pending(const DeviceId& device, WallTime now) const {
  return impl_->readers.use(
      [&](Database& database) { return pushes::count_pending(database, device, now); });
}

Result<PushPage> Store::list_pushes(const PushFilter& filter, std::int64_t before,
                                    std::size_t limit) const {
  return impl_->readers.use([&](Database& database) {
    return pushes::list(database, filter, before, limit, impl_->clock.wall());
  });
}

void Store::expire(WallTime now, Done done) {
  impl_->expire(now, std::move(done));
}

}  // namespace kscpush::server

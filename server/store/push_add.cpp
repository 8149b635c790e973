// How a push gets into the table of pushes.
#include "server/store/pushes.hpp"
#include "server/store/resync.hpp"

namespace kscpush::server::pushes {
namespace {

Result<std::optional<Error>> object(Error error) {
  return std::optional<Error>(std::move(error));
}

}  // namespace

Adder::Objection Adder::object_to_size(const PushRecord& push) {
  if (push.params.size() > limits_.params_bytes) {
    return object({ErrorCode::kTooLarge,
                   fmt::format("the push's parameters are {} bytes; at most {} are allowed",
                               push.params.size(), limits_.params_bytes),
                   ""});
  }
  const auto used = meter_.measure(database_, limits_.database_bytes, push.params.size());
  if (!used) return fail(used.error());
  if (*used < limits_.database_bytes) return std::nullopt;
  return object({ErrorCode::kOverloaded,
                 fmt::format("the database {} has reached its limit of {} bytes",
                             database_.path().string(), limits_.database_bytes),
                 "older history is dropped in the background; try again in a minute"});
}

Adder::Objection Adder::object_to_device(const DeviceId& id) {
  auto query = database_.query(
      "SELECT revoked, device_group, platform, address, resync_since FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) {
    return object(unknown_device(id));
  }
  if (query->integer(0) != 0) {
    return object({ErrorCode::kDenied, fmt::format("device '{}' is revoked", id.str()),
                   "enrol it anew first: kscpush device enroll " + id.str()});
  }
  resync_ = !query->null(4);
  if (admit_ == nullptr) return std::nullopt;
  const std::string group = query->text(1);
  const std::string platform = query->text(2);
  const std::string address = query->text(3);
  auto admitted = admit_(id, {group, platform, address});
  if (admitted) return std::nullopt;
  return object(std::move(admitted.error()));
}

namespace {

struct Older {
  std::int64_t seq;
  Standing was;
};

// What waits for the device of a push.
struct Waiting {
  std::size_t count = 0;
  // With the push's collapse key:
  std::vector<Older> replaced;  // not sent yet
  std::vector<PushStep> sent;   // which the table does not say yet
};

Result<Waiting> find_waiting(Database& database, const PushRecord& push,
                             const SentAhead& sent_ahead, WallTime now) {
  auto query = database.query(
      "SELECT seq, state, rollout, collapse_key = ?2 FROM pushes"
      " WHERE device = ?1 AND (state < 3) = 1 AND expires > ?3");
  if (!query) return fail(query.error());
  query->bind(push.device.str(), push.collapse_key, now);
  Waiting waiting;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return waiting;
    ++waiting.count;
    const std::int64_t seq = query->integer(0);
    const auto state = PushState(query->integer(1));
    if (push.collapse_key.empty() || query->integer(3) == 0 || state >= PushState::kSent) continue;
    if (auto sent = sent_ahead.find(seq)) {
      waiting.sent.push_back(std::move(*sent));
    } else {
      waiting.replaced.push_back({seq, {state, query->integer(2)}});
    }
  }
}

// LEVELS: as pushes.levels.
Status insert(Database& database, PushRecord& push, bool levels) {
  const std::optional<std::int64_t> rollout =
      push.rollout == 0 ? std::nullopt : std::optional(push.rollout);
  auto done = database.run(
      "INSERT INTO pushes(id, device, kind, params, collapse_key, state, expires, due, accepted_at,"
      " stored_at, rollout, levels) VALUES(?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7, ?8, ?9, ?10)",
      push.id.str(), push.device.str(), push.kind, push.params, push.collapse_key, push.expires,
      push.reached[static_cast<std::size_t>(PushState::kAccepted)],
      push.reached[static_cast<std::size_t>(PushState::kStored)], rollout, levels ? 1 : 0);
  if (!done && done.error().code == ErrorCode::kConflict) {
    return fail(ErrorCode::kConflict, "push {} exists already", push.id.str());
  }
  push.seq = database.last_insert();
  return done;
}

// Ends what the push ID replaces.
Status replace(Database& database, const Ulid& id, const Waiting& waiting,
               const StoreLimits& limits, WallTime now, StoreChanges& changes) {
  for (const auto& [seq, was] : waiting.replaced) {
    const PushStep ended{
        seq, PushState::kSuperseded, now, 0, fmt::format("replaced by {}", id.str()), {}};
    if (auto done = end(database, ended, was, limits, changes); !done) return done;
  }
  // So that the table shows no two that wait with one key.
  std::vector<Status> results;
  return apply(database, waiting.sent, limits, changes, results);
}

// As it is from now on.
void note_stored(PushRecord& push, WallTime now) {
  auto& accepted = push.reached[static_cast<std::size_t>(PushState::kAccepted)];
  const WallTime at = accepted.value_or(now);
  push.reached = {};
  accepted = at;
  push.reached[static_cast<std::size_t>(PushState::kStored)] = now;
  push.state = PushState::kStored;
  push.attempts = 0;
  push.reason.clear();
  push.result.clear();
}

}  // namespace

Adder::Objection Adder::overflow(const PushRecord& push, Error error) {
  if (made_up_by_sync(push.kind)) {
    auto noted = resync::refused(database_, push.device, resync_, now_, changes_);
    if (!noted) return fail(noted.error());
  }
  return object(std::move(error));
}

Result<std::optional<Error>> Adder::add(PushRecord& push, bool beyond) {
  if (auto against = object_to_device(push.device); !against || *against) return against;
  if (auto against = object_to_size(push); !against || *against) {
    if (!against || (*against)->code != ErrorCode::kOverloaded) return against;
    return overflow(push, std::move(**against));
  }
  const auto waiting = find_waiting(database_, push, sent_ahead_, now_);
  if (!waiting) return fail(waiting.error());
  if (!beyond && waiting->count >= limits_.pending_per_device + waiting->replaced.size()) {
    return overflow(
        push,
        {ErrorCode::kOverloaded,
         fmt::format("{} pushes wait for device '{}' already", waiting->count, push.device.str()),
         "they wait until the device connects or their time to live ends; 'kscpush device show " +
             push.device.str() + "' shows them"});
  }
  note_stored(push, now_);
  const auto write = [&](Database& database) -> Status {
    auto done = replace(database, push.id, *waiting, limits_, now_, changes_);
    return done ? insert(database, push, resync_ && made_up_by_sync(push.kind)) : done;
  };
  // A row by itself is written or is not.
  const bool alone = waiting->replaced.empty() && waiting->sent.empty();
  auto done = alone || undo_ == Undo::kCaller ? write(database_) : database_.in_savepoint(write);
  if (!done) return fail(done.error());
  changes_.pushes.push_back({push.seq, push.state, now_, std::nullopt, push.rollout});
  return std::nullopt;
}

}  // namespace kscpush::server::pushes

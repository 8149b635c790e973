// How a push gets into the table of pushes.
#include "server/store/pushes.hpp"
#include "server/store/usage.hpp"

namespace kscpush::server::pushes {
namespace {

// Why the push is not taken; nothing: it is. The error is the database's.
using Objection = Result<std::optional<Error>>;

Objection object(Error error) {
  return std::optional<Error>(std::move(error));
}

Objection object_to_size(Database& database, const PushRecord& push, const StoreLimits& limits) {
  if (push.params.size() > limits.params_bytes) {
    return object({ErrorCode::kTooLarge,
                   fmt::format("the push's parameters are {} bytes; at most {} are allowed",
                               push.params.size(), limits.params_bytes),
                   ""});
  }
  const auto used = used_bytes(database);
  if (!used) return fail(used.error());
  if (*used < limits.database_bytes) return std::nullopt;
  return object({ErrorCode::kOverloaded,
                 fmt::format("the database {} has reached its limit of {} bytes",
                             database.path().string(), limits.database_bytes),
                 "older history is dropped in the background; try again in a minute"});
}

Objection object_to_device(Database& database, const DeviceId& id, const Admit& admit) {
  auto query =
      database.query("SELECT revoked, device_group, platform, address FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) {
    return object({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
                   "list the devices: kscpush device list"});
  }
  if (query->integer(0) != 0) {
    return object({ErrorCode::kDenied, fmt::format("device '{}' is revoked", id.str()),
                   "enrol it anew first: kscpush device enroll " + id.str()});
  }
  if (admit == nullptr) return std::nullopt;
  const std::string group = query->text(1);
  const std::string platform = query->text(2);
  const std::string address = query->text(3);
  auto admitted = admit(id, {group, platform, address});
  if (admitted) return std::nullopt;
  return object(std::move(admitted.error()));
}

Objection object_to_number(Database& database, const PushRecord& push, std::size_t replaced,
                           const StoreLimits& limits, WallTime now) {
  const auto pending = count_pending(database, push.device, now);
  if (!pending) return fail(pending.error());
  if (*pending < limits.pending_per_device + replaced) return std::nullopt;
  return object(
      {ErrorCode::kOverloaded,
       fmt::format("{} pushes wait for device '{}' already", *pending, push.device.str()),
       "they wait until the device connects or their time to live ends; 'kscpush device show " +
           push.device.str() + "' shows them"});
}

struct Older {
  std::int64_t seq;
  Standing was;
};

// Those that wait for the device, were not sent, and have the same key.
Result<std::vector<Older>> find_older(Database& database, const PushRecord& push, WallTime now) {
  std::vector<Older> older;
  if (push.collapse_key.empty()) return older;
  auto query = database.query(
      "SELECT seq, state, rollout FROM pushes WHERE device = ?1 AND (state < 3) = 1 AND state < 2"
      " AND collapse_key = ?2 AND expires > ?3");
  if (!query) return fail(query.error());
  query->bind(push.device.str(), push.collapse_key, now);
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return older;
    older.push_back({query->integer(0), {PushState(query->integer(1)), query->integer(2)}});
  }
}

Status insert(Database& database, PushRecord& push) {
  const std::optional<std::int64_t> rollout =
      push.rollout == 0 ? std::nullopt : std::optional(push.rollout);
  auto done = database.run(
      "INSERT INTO pushes(id, device, kind, params, collapse_key, state, expires, due, accepted_at,"
      " stored_at, rollout) VALUES(?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7, ?8, ?9)",
      push.id.str(), push.device.str(), push.kind, push.params, push.collapse_key, push.expires,
      push.reached[static_cast<std::size_t>(PushState::kAccepted)],
      push.reached[static_cast<std::size_t>(PushState::kStored)], rollout);
  if (!done && done.error().code == ErrorCode::kConflict) {
    return fail(ErrorCode::kConflict, "push {} exists already", push.id.str());
  }
  push.seq = database.last_insert();
  return done;
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

Result<std::optional<Error>> add_unless(Database& database, PushRecord& push, const Admit& admit,
                                        const StoreLimits& limits, WallTime now,
                                        PushChanges& changes) {
  if (auto against = object_to_size(database, push, limits); !against || *against) return against;
  if (auto against = object_to_device(database, push.device, admit); !against || *against) {
    return against;
  }
  const auto older = find_older(database, push, now);
  if (!older) return fail(older.error());
  auto against = object_to_number(database, push, older->size(), limits, now);
  if (!against || *against) return against;
  for (const auto& [seq, was] : *older) {
    const PushStep ended{seq, PushState::kSuperseded, now, 0, "replaced by " + push.id.str(), {}};
    if (auto done = update(database, ended, was, limits, changes); !done) return fail(done.error());
  }
  note_stored(push, now);
  if (auto done = insert(database, push); !done) return fail(done.error());
  changes.push_back({push.seq, push.state, now, std::nullopt, push.rollout});
  return std::nullopt;
}

Status add(Database& database, PushRecord& push, const StoreLimits& limits, WallTime now,
           PushChanges& changes) {
  auto against = add_unless(database, push, nullptr, limits, now, changes);
  if (!against) return fail(against.error());
  if (*against) return fail(std::move(**against));
  return {};
}

}  // namespace kscpush::server::pushes

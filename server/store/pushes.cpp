#include "server/store/pushes.hpp"

#include <limits>

#include "server/store/usage.hpp"

namespace kscpush::server::pushes {
namespace {

// The schema's index and the statements below say "state < 3" for what waits for the device.
static_assert(static_cast<int>(PushState::kAcked) == 3);

constexpr std::string_view kSelect =
    "SELECT seq, id, device, kind, params, collapse_key, state, attempts, reason, result, expires,"
    " accepted_at, stored_at, sent_at, acked_at, started_at, completed_at, expired_at,"
    " superseded_at, cancelled_at, rejected_at, undeliverable_at, failed_at, due FROM pushes ";
constexpr int kFirstReached = 11;
constexpr int kDue = kFirstReached + static_cast<int>(kPushStates);

// A push ends when its time does, and not when expire() comes by.
void show_expired(PushRecord& push, WallTime due) {
  push.reason = why_expired(push.state);
  push.state = PushState::kExpired;
  push.reached[static_cast<std::size_t>(PushState::kExpired)] = due;
}

Result<PushRecord> read(const Query& row, WallTime now) {
  auto id = Ulid::parse(row.text(1));
  if (!id) return fail(within("the database is damaged", id.error()));
  auto device = DeviceId::parse(row.text(2));
  if (!device) return fail(within("the database is damaged", device.error()));
  const std::int64_t state = row.integer(6);
  if (state < 0 || state >= static_cast<std::int64_t>(kPushStates)) {
    return fail(ErrorCode::kFailed, "the database is damaged: a push is in state {}", state);
  }
  PushRecord push{
      row.integer(0), std::move(*id), std::move(*device), row.text(3),
      row.text(4),    row.text(5),    PushState(state),   static_cast<int>(row.integer(7)),
      row.text(8),    row.text(9),    row.time(10),       {}};
  for (std::size_t i = 0; i < kPushStates; ++i) {
    push.reached[i] = row.optional_time(kFirstReached + static_cast<int>(i));
  }
  if (!is_final(push.state) && row.time(kDue) <= now) show_expired(push, row.time(kDue));
  return push;
}

Result<std::vector<PushRecord>> read_all(Query& query, WallTime now) {
  std::vector<PushRecord> pushes;
  for (;;) {
    const auto row = query.next();
    if (!row) return fail(row.error());
    if (!*row) return pushes;
    auto push = read(query, now);
    if (!push) return fail(push.error());
    pushes.push_back(std::move(*push));
  }
}

// ?1 seq, ?2 time, ?3 attempts, ?4 reason, ?5 result, ?6 milliseconds until the row is due next:
// from the end of its time to live, or from the end of its life.
const std::string& update_of(PushState state) {
  static const std::array<std::string, kPushStates> kUpdates = [] {
    std::array<std::string, kPushStates> updates;
    for (std::size_t i = 0; i < kPushStates; ++i) {
      const auto to = PushState(i);
      updates[i] = fmt::format(
          "UPDATE pushes SET state = {}, {}_at = ?2, attempts = max(attempts, ?3), reason = ?4,"
          " result = ?5, due = {} + ?6 WHERE seq = ?1",
          i, to_string(to), is_final(to) ? "?2" : "expires");
    }
    return updates;
  }();
  return kUpdates.at(static_cast<std::size_t>(state));
}

// ?1 seq, ?2 time: for a step that comes after a later one.
const std::string& late_time_of(PushState state) {
  static const std::array<std::string, kPushStates> kUpdates = [] {
    std::array<std::string, kPushStates> updates;
    for (std::size_t i = 0; i < kPushStates; ++i) {
      updates[i] = fmt::format("UPDATE pushes SET {0}_at = ?2 WHERE seq = ?1 AND {0}_at IS NULL",
                               to_string(PushState(i)));
    }
    return updates;
  }();
  return kUpdates.at(static_cast<std::size_t>(state));
}

Status update(Database& database, const PushStep& step, const StoreLimits& limits) {
  std::chrono::milliseconds wait{0};
  if (step.state >= PushState::kAcked) wait = limits.answer_wait;
  if (is_final(step.state)) wait = limits.keep_history;
  return database.run(update_of(step.state), step.seq, step.at, step.attempts, step.reason,
                      step.result, std::int64_t{wait.count()});
}

Status check_device(Database& database, const DeviceId& id) {
  auto query = database.query("SELECT revoked FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) {
    return fail({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
                 "list the devices: kscpush device list"});
  }
  if (query->integer(0) == 0) return {};
  return fail({ErrorCode::kDenied, fmt::format("device '{}' is revoked", id.str()),
               "enrol it anew first: kscpush device enroll " + id.str()});
}

Status check_pending(Database& database, const PushRecord& push, const StoreLimits& limits,
                     WallTime now) {
  auto query = database.query(
      "SELECT count(*) FROM pushes WHERE device = ?1 AND (state < 3) = 1 AND expires > ?2");
  if (!query) return fail(query.error());
  const auto row = query->bind(push.device.str(), now).next();
  if (!row) return fail(row.error());
  if (query->integer(0) < static_cast<std::int64_t>(limits.pending_per_device)) return {};
  return fail(
      {ErrorCode::kOverloaded,
       fmt::format("{} pushes wait for device '{}' already", query->integer(0), push.device.str()),
       "they wait until the device connects or their time to live ends; 'kscpush device list' "
       "shows when it was last seen"});
}

Status check_size(Database& database, const PushRecord& push, const StoreLimits& limits) {
  if (push.params.size() > limits.params_bytes) {
    return fail(ErrorCode::kTooLarge, "the push's parameters are {} bytes; at most {} are allowed",
                push.params.size(), limits.params_bytes);
  }
  const auto used = used_bytes(database);
  if (!used) return fail(used.error());
  if (*used < limits.database_bytes) return {};
  return fail({ErrorCode::kOverloaded,
               fmt::format("the database {} has reached its limit of {} bytes",
                           database.path().string(), limits.database_bytes),
               "older history is dropped in the background; try again in a minute"});
}

Status supersede(Database& database, const PushRecord& push, const StoreLimits& limits,
                 WallTime now) {
  if (push.collapse_key.empty()) return {};
  std::vector<std::int64_t> older;
  {
    auto query = database.query(
        "SELECT seq FROM pushes WHERE device = ?1 AND (state < 3) = 1 AND state < 2"
        " AND collapse_key = ?2 AND expires > ?3");
    if (!query) return fail(query.error());
    query->bind(push.device.str(), push.collapse_key, now);
    for (;;) {
      const auto row = query->next();
      if (!row) return fail(row.error());
      if (!*row) break;
      older.push_back(query->integer(0));
    }
  }
  for (const std::int64_t seq : older) {
    const PushStep ended{seq, PushState::kSuperseded, now, 0, "replaced by " + push.id.str(), {}};
    if (auto done = update(database, ended, limits); !done) return done;
  }
  return {};
}

Status insert(Database& database, PushRecord& push) {
  auto done = database.run(
      "INSERT INTO pushes(id, device, kind, params, collapse_key, state, expires, due, accepted_at,"
      " stored_at) VALUES(?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7, ?8)",
      push.id.str(), push.device.str(), push.kind, push.params, push.collapse_key, push.expires,
      push.reached[static_cast<std::size_t>(PushState::kAccepted)],
      push.reached[static_cast<std::size_t>(PushState::kStored)]);
  if (!done && done.error().code == ErrorCode::kConflict) {
    return fail(ErrorCode::kConflict, "push {} exists already", push.id.str());
  }
  push.seq = database.last_insert();
  return done;
}

}  // namespace

Status add(Database& database, PushRecord& push, const StoreLimits& limits, WallTime now) {
  if (auto fits = check_size(database, push, limits); !fits) return fits;
  if (auto known = check_device(database, push.device); !known) return known;
  if (auto done = supersede(database, push, limits, now); !done) return done;
  if (auto room = check_pending(database, push, limits, now); !room) return room;
  auto& accepted = push.reached[static_cast<std::size_t>(PushState::kAccepted)];
  const WallTime at = accepted.value_or(now);
  push.reached = {};
  accepted = at;
  push.reached[static_cast<std::size_t>(PushState::kStored)] = now;
  push.state = PushState::kStored;
  push.attempts = 0;
  push.reason.clear();
  push.result.clear();
  return insert(database, push);
}

namespace {

struct Due {
  std::int64_t seq;
  PushState state;
  WallTime due;
};

Status end_as_expired(Database& database, const Due& row, const StoreLimits& limits) {
  return update(database,
                {row.seq, PushState::kExpired, row.due, 0, std::string(why_expired(row.state)), ""},
                limits);
}

}  // namespace

Status step(Database& database, const PushStep& step, const StoreLimits& limits) {
  std::optional<PushState> from;
  WallTime due;
  {
    auto query = database.query("SELECT state, due FROM pushes WHERE seq = ?1");
    if (!query) return fail(query.error());
    const auto row = query->bind(step.seq).next();
    if (!row) return fail(row.error());
    if (*row) {
      from = PushState(query->integer(0));
      due = query->time(1);
    }
  }
  if (!from) return fail(ErrorCode::kNotFound, "no push with number {} any more", step.seq);
  if (!is_final(*from) && due <= step.at) {
    if (auto ended = end_as_expired(database, {step.seq, *from, due}, limits); !ended) return ended;
    from = PushState::kExpired;
  }
  if (may_follow(*from, step.state)) return update(database, step, limits);
  if (is_final(step.state)) return {};
  // The time of the last sending: the pause before the next counts from it.
  if (step.state == PushState::kSent && *from == PushState::kSent) {
    return database.run(
        "UPDATE pushes SET attempts = max(attempts, ?2), sent_at = ?3 WHERE seq = ?1", step.seq,
        step.attempts, step.at);
  }
  if (auto noted = database.run(late_time_of(step.state), step.seq, step.at); !noted) return noted;
  if (step.state != PushState::kSent || is_final(*from)) return {};
  return database.run("UPDATE pushes SET attempts = max(attempts, ?2) WHERE seq = ?1", step.seq,
                      step.attempts);
}

Result<PushRecord> cancel(Database& database, const Ulid& id, std::string_view reason,
                          const StoreLimits& limits, WallTime now) {
  const auto push = find(database, id, now);
  if (!push) return fail(push.error());
  if (!*push) {
    return fail({ErrorCode::kNotFound, fmt::format("no push {}", id.str()),
                 "pushes are forgotten some time after their end"});
  }
  const PushState state = (*push)->state;
  if (state >= PushState::kSent) {
    return fail(
        {ErrorCode::kConflict,
         fmt::format("push {} is {} already and cannot be cancelled", id.str(), to_string(state)),
         is_final(state) ? ""
                         : fmt::format("GET /v1/pushes/{} tells what becomes of it", id.str())});
  }
  const PushStep ended{(*push)->seq, PushState::kCancelled, now, 0, std::string(reason), {}};
  if (auto done = update(database, ended, limits); !done) return fail(done.error());
  auto cancelled = find(database, id, now);
  if (!cancelled) return fail(cancelled.error());
  return std::move(**cancelled);
}

namespace {

Result<std::vector<Due>> find_due(Database& database, std::size_t batch, WallTime now) {
  auto query =
      database.query("SELECT seq, state, due FROM pushes WHERE due <= ?1 ORDER BY due LIMIT ?2");
  if (!query) return fail(query.error());
  query->bind(now, batch);
  std::vector<Due> due;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return due;
    due.push_back({query->integer(0), PushState(query->integer(1)), query->time(2)});
  }
}

// For lack of room: the oldest ends go before their time.
Result<bool> drop_history(Database& database, std::size_t batch, const StoreLimits& limits) {
  const auto used = used_bytes(database);
  if (!used) return fail(used.error());
  if (*used < limits.database_bytes / 4 * 3) return false;
  auto done = database.run(
      "DELETE FROM pushes WHERE seq IN"
      " (SELECT seq FROM pushes WHERE state >= 5 ORDER BY due LIMIT ?1)",
      batch);
  if (!done) return fail(done.error());
  return database.changes() == static_cast<std::int64_t>(batch);
}

}  // namespace

Result<bool> expire(Database& database, std::size_t batch, const StoreLimits& limits,
                    WallTime now) {
  const auto due = find_due(database, batch, now);
  if (!due) return fail(due.error());
  for (const Due& row : *due) {
    auto done = is_final(row.state) ? database.run("DELETE FROM pushes WHERE seq = ?1", row.seq)
                                    : end_as_expired(database, row, limits);
    if (!done) return fail(done.error());
  }
  const auto dropped = drop_history(database, batch, limits);
  if (!dropped) return fail(dropped.error());
  return *dropped || due->size() == batch;
}

Result<std::optional<PushRecord>> find(Database& database, const Ulid& id, WallTime now) {
  static const std::string kSql = std::string(kSelect) + "WHERE id = ?1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  auto push = read(*query, now);
  if (!push) return fail(push.error());
  return std::move(*push);
}

Result<std::vector<PushRecord>> pending(Database& database, const DeviceId& device, WallTime now,
                                        std::int64_t after, std::size_t limit) {
  static const std::string kSql =
      std::string(kSelect) +
      "WHERE device = ?1 AND (state < 3) = 1 AND seq > ?3 AND expires > ?2 ORDER BY seq LIMIT ?4";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(device.str(), now, after, limit);
  return read_all(*query, now);
}

Result<std::vector<PushRecord>> history(Database& database, const DeviceId& device,
                                        std::int64_t before, std::size_t limit, WallTime now) {
  // Two ranges of the index, each in order, merged.
  static const std::string kSql = fmt::format(
      "SELECT * FROM ({0} WHERE device = ?1 AND (state < 3) = 1 AND seq < ?2"
      " ORDER BY seq DESC LIMIT ?3)"
      " UNION ALL SELECT * FROM ({0} WHERE device = ?1 AND (state < 3) = 0 AND seq < ?2"
      " ORDER BY seq DESC LIMIT ?3) ORDER BY 1 DESC LIMIT ?3",
      kSelect);
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  const std::int64_t below = before > 0 ? before : std::numeric_limits<std::int64_t>::max();
  query->bind(device.str(), below, limit);
  return read_all(*query, now);
}

Status mark_perhaps_sent(Database& database) {
  return database.run(
      "INSERT INTO push_mark(only, perhaps_sent)"
      " VALUES(1, ifnull((SELECT max(seq) FROM pushes), 0)) ON CONFLICT(only)"
      " DO UPDATE SET perhaps_sent = max(perhaps_sent, excluded.perhaps_sent)");
}

Result<std::int64_t> perhaps_sent(Database& database) {
  return database.number("SELECT perhaps_sent FROM push_mark");
}

}  // namespace kscpush::server::pushes

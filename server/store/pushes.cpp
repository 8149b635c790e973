#include "server/store/pushes.hpp"

#include <array>

#include "server/store/resync.hpp"
#include "server/store/usage.hpp"

namespace kscpush::server {

Error unknown_push(const Ulid& id) {
  return {ErrorCode::kNotFound, fmt::format("no push '{}'", id.str()),
          "'kscpush push list' lists them; they are forgotten some time after their end"};
}

}  // namespace kscpush::server

namespace kscpush::server::pushes {
namespace {

// The schema's index and the statements below say "state < 3" for what waits for the device.
static_assert(static_cast<int>(PushState::kAcked) == 3);

// ?1 seq, ?2 time, ?3 reason, ?4 when the row leaves the history.
const std::string& end_of(PushState state) {
  static const std::array<std::string, kPushStates> kUpdates = [] {
    std::array<std::string, kPushStates> updates;
    for (std::size_t i = 0; i < kPushStates; ++i) {
      updates[i] = fmt::format(
          "UPDATE pushes SET state = {}, {}_at = ?2, reason = ?3, result = '', due = ?4"
          " WHERE seq = ?1",
          i, to_string(PushState(i)));
    }
    return updates;
  }();
  return kUpdates.at(static_cast<std::size_t>(state));
}

}  // namespace

Status end(Database& database, const PushStep& step, const Standing& was, const StoreLimits& limits,
           StoreChanges& changes) {
  auto done = database.run(end_of(step.state), step.seq, step.at, step.reason,
                           step.at + std::chrono::milliseconds(limits.keep_history));
  if (done) changes.pushes.push_back({step.seq, step.state, step.at, was.state, was.rollout});
  return done;
}

namespace {

struct Due {
  std::int64_t seq;
  Standing was;
  WallTime end;  // of a push that has not ended
};

Status end_as_expired(Database& database, const Due& row, const StoreLimits& limits,
                      StoreChanges& changes) {
  const std::string why(why_expired(row.was.state));
  auto done =
      end(database, {row.seq, PushState::kExpired, row.end, 0, why, ""}, row.was, limits, changes);
  if (!done || row.was.state >= PushState::kAcked) return done;
  return resync::expired(database, row.seq, row.end, changes);
}

}  // namespace

Result<PushRecord> cancel(Database& database, const Ulid& id, std::string_view reason,
                          const StoreLimits& limits, WallTime now, StoreChanges& changes) {
  const auto push = find(database, id, now);
  if (!push) return fail(push.error());
  if (!*push) return fail(unknown_push(id));
  const PushState state = (*push)->state;
  if (state >= PushState::kSent) {
    return fail(
        {ErrorCode::kConflict,
         fmt::format("push {} is {} already and cannot be cancelled", id.str(), to_string(state)),
         is_final(state)
             ? ""
             : fmt::format("'kscpush push show {}' tells what becomes of it", id.str())});
  }
  const PushStep ended{(*push)->seq, PushState::kCancelled, now, 0, std::string(reason), {}};
  const Standing was{state, (*push)->rollout};
  if (auto done = end(database, ended, was, limits, changes); !done) return fail(done.error());
  auto cancelled = find(database, id, now);
  if (!cancelled) return fail(cancelled.error());
  return std::move(**cancelled);
}

namespace {

Result<std::vector<Due>> find_due(Database& database, std::size_t batch, WallTime now) {
  auto query = database.query(
      "SELECT seq, state, rollout, expires FROM pushes WHERE due <= ?1 ORDER BY due LIMIT ?2");
  if (!query) return fail(query.error());
  query->bind(now, batch);
  std::vector<Due> due;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return due;
    const auto state = PushState(query->integer(1));
    due.push_back(
        {query->integer(0), {state, query->integer(2)}, end_of_time(state, query->time(3))});
  }
}

Status see_to(Database& database, const Due& row, const StoreLimits& limits, WallTime now,
              StoreChanges& changes) {
  if (is_final(row.was.state)) {
    return database.run("DELETE FROM pushes WHERE seq = ?1", row.seq);
  }
  if (row.end <= now) return end_as_expired(database, row, limits, changes);
  return database.run("UPDATE pushes SET due = ?2 WHERE seq = ?1", row.seq, row.end);
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

Result<bool> expire(Database& database, std::size_t batch, const StoreLimits& limits, WallTime now,
                    StoreChanges& changes) {
  const auto due = find_due(database, batch, now);
  if (!due) return fail(due.error());
  for (const Due& row : *due) {
    if (auto done = see_to(database, row, limits, now, changes); !done) return fail(done.error());
  }
  const auto dropped = drop_history(database, batch, limits);
  if (!dropped) return fail(dropped.error());
  return *dropped || due->size() == batch;
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

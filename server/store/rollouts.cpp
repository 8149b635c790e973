#include "server/store/rollouts.hpp"

#include <utility>

#include "server/store/pushes.hpp"

namespace kscpush::server {

std::string_view to_string(RolloutState state) {
  constexpr std::array<std::string_view, 5> kNames{"preparing", "running", "done", "halted",
                                                   "cancelled"};
  return kNames.at(static_cast<std::size_t>(state));
}

namespace rollouts {
namespace {

constexpr double kMilli = 1000;  // of the rate

constexpr std::string_view kSelect =
    "SELECT number, id, kind, params, collapse_key, ttl, targets, rate, max_failures, canary, "
    "state,"
    " reason, total, next, refused, created, ended FROM rollouts ";

Result<std::optional<RolloutRecord>> read(Query& row) {
  const auto more = row.next();
  if (!more) return fail(more.error());
  if (!*more) return std::nullopt;
  auto id = Ulid::parse(row.text(1));
  const std::int64_t state = row.integer(10);
  if (!id || state < 0 || state > static_cast<std::int64_t>(RolloutState::kCancelled)) {
    return fail(ErrorCode::kFailed, "the database is damaged: rollout {} makes no sense",
                row.integer(0));
  }
  RolloutRecord rollout{
      row.integer(0),
      {std::move(*id), row.text(2), row.text(3), row.text(4), std::chrono::seconds(row.integer(5)),
       row.text(6), static_cast<double>(row.integer(7)) / kMilli, std::nullopt, row.integer(9)},
      RolloutState(state),
      row.text(11),
      row.integer(12),
      row.integer(13),
      row.integer(14),
      row.time(15),
      row.optional_time(16)};
  if (!row.null(8)) rollout.order.max_failures = row.integer(8);
  return rollout;
}

Result<std::vector<RolloutRecord>> read_all(Query& row) {
  std::vector<RolloutRecord> all;
  for (;;) {
    auto rollout = read(row);
    if (!rollout) return fail(rollout.error());
    if (!*rollout) return all;
    all.push_back(std::move(**rollout));
  }
}

Result<RolloutRecord> require(Database& database, std::int64_t number) {
  auto rollout = find(database, number);
  if (!rollout) return fail(rollout.error());
  if (*rollout) return std::move(**rollout);
  return fail(ErrorCode::kNotFound, "no rollout with number {} any more", number);
}

Result<std::vector<DeviceId>> targets(Database& database, const RolloutRecord& rollout,
                                      std::size_t count) {
  auto query = database.query(
      "SELECT device FROM rollout_targets WHERE rollout = ?1 AND position >= ?2"
      " ORDER BY position LIMIT ?3");
  if (!query) return fail(query.error());
  query->bind(rollout.number, rollout.next, count);
  std::vector<DeviceId> devices;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return devices;
    auto id = DeviceId::parse(query->text(0));
    if (!id) return fail(within("the database is damaged", id.error()));
    devices.push_back(std::move(*id));
  }
}

}  // namespace

Result<std::int64_t> begin(Database& database, const NewRollout& rollout, WallTime now) {
  auto query = database.query(
      "INSERT INTO rollouts(id, kind, params, collapse_key, ttl, targets, rate, max_failures,"
      " canary, state, created) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)");
  if (!query) return fail(query.error());
  const std::int64_t ttl = rollout.ttl.count();
  const auto rate = static_cast<std::int64_t>(rollout.rate * kMilli);
  auto done = query
                  ->bind(rollout.id.str(), rollout.kind, rollout.params, rollout.collapse_key, ttl,
                         rollout.targets, rate, rollout.max_failures, rollout.canary, now)
                  .run();
  if (!done) return fail(done.error());
  return database.last_insert();
}

Status add_targets(Database& database, std::int64_t number, std::int64_t first,
                   std::span<const DeviceId> targets) {
  for (const DeviceId& device : targets) {
    auto done =
        database.run("INSERT INTO rollout_targets(rollout, position, device) VALUES(?1, ?2, ?3)",
                     number, first++, device.str());
    if (!done) return done;
  }
  return {};
}

Result<RolloutRecord> open(Database& database, std::int64_t number) {
  auto done = database.run(
      "UPDATE rollouts SET state = 1, total ="
      " (SELECT count(*) FROM rollout_targets WHERE rollout = ?1) WHERE number = ?1",
      number);
  if (!done) return fail(done.error());
  return require(database, number);
}

Status drop_unopened(Database& database) {
  return database.run("DELETE FROM rollouts WHERE state = 0");
}

namespace {

// The pushes of these devices; what is refused is counted.
Result<std::vector<PushRecord>> push_to(Database& database, RolloutRecord& rollout,
                                        const std::vector<DeviceId>& devices, const Admit& admit,
                                        const StoreLimits& limits, const SentAhead& sent_ahead,
                                        WallTime now, StoreChanges& changes) {
  const NewRollout& order = rollout.order;
  const auto wait = order.ttl.count() == 0 ? kAnswerDeadline : order.ttl;
  std::vector<PushRecord> pushes;
  pushes.reserve(devices.size());
  Ulid id = Ulid::generate(now);
  UsageMeter meter;
  pushes::Adder adder(database, admit, limits, sent_ahead, now, changes, meter);
  for (const DeviceId& device : devices) {
    PushRecord push{.id = std::exchange(id, id.next()),
                    .device = device,
                    .kind = order.kind,
                    .params = order.params,
                    .collapse_key = order.collapse_key,
                    .expires = now + wait,
                    .rollout = rollout.number};
    auto against = adder.add(push);
    if (!against) return fail(against.error());
    if (*against) {
      ++rollout.refused;
      rollout.reason = (*against)->message;
    } else {
      pushes.push_back(std::move(push));
    }
  }
  return pushes;
}

}  // namespace

Result<RolloutWave> advance(Database& database, std::int64_t number, std::size_t count,
                            const Admit& admit, const StoreLimits& limits,
                            const SentAhead& sent_ahead, WallTime now, StoreChanges& changes) {
  auto rollout = require(database, number);
  if (!rollout) return fail(rollout.error());
  if (rollout->state != RolloutState::kRunning) {
    return fail(ErrorCode::kConflict, "rollout {} is {}", rollout->order.id.str(),
                to_string(rollout->state));
  }
  const auto devices = targets(database, *rollout, count);
  if (!devices) return fail(devices.error());
  auto pushes = push_to(database, *rollout, *devices, admit, limits, sent_ahead, now, changes);
  if (!pushes) return fail(pushes.error());
  rollout->next += static_cast<std::int64_t>(devices->size());
  auto done =
      database.run("UPDATE rollouts SET next = ?2, refused = ?3, reason = ?4 WHERE number = ?1",
                   number, rollout->next, rollout->refused, rollout->reason);
  if (!done) return fail(done.error());
  done = database.run("DELETE FROM rollout_targets WHERE rollout = ?1 AND position < ?2", number,
                      rollout->next);
  if (!done) return fail(done.error());
  return RolloutWave{std::move(*rollout), std::move(*pushes)};
}

Result<RolloutRecord> end(Database& database, std::int64_t number, RolloutState state,
                          std::string_view reason, WallTime now) {
  auto done = database.run(
      "UPDATE rollouts SET state = ?2, reason = CASE ?3 WHEN '' THEN reason ELSE ?3 END,"
      " ended = ?4 WHERE number = ?1 AND state <= 1",
      number, static_cast<int>(state), reason, now);
  if (done) done = database.run("DELETE FROM rollout_targets WHERE rollout = ?1", number);
  if (!done) return fail(done.error());
  return require(database, number);
}

Result<bool> drop_old(Database& database, std::size_t batch, WallTime then) {
  auto done = database.run(
      "DELETE FROM rollouts WHERE number IN (SELECT number FROM rollouts WHERE state >= 2 AND"
      " ended <= ?1 AND NOT EXISTS(SELECT 1 FROM pushes WHERE rollout = number) LIMIT ?2)",
      then, batch);
  if (!done) return fail(done.error());
  return database.changes() == static_cast<std::int64_t>(batch);
}

Result<std::optional<RolloutRecord>> find(Database& database, const Ulid& id) {
  static const std::string kSql = std::string(kSelect) + "WHERE id = ?1 AND state > 0";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(id.str());
  return read(*query);
}

Result<std::optional<RolloutRecord>> find(Database& database, std::int64_t number) {
  static const std::string kSql = std::string(kSelect) + "WHERE number = ?1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(number);
  return read(*query);
}

Result<std::vector<RolloutRecord>> list(Database& database, std::int64_t before,
                                        std::size_t limit) {
  static const std::string kSql =
      std::string(kSelect) +
      "WHERE state > 0 AND (?1 = 0 OR number < ?1) ORDER BY number DESC LIMIT ?2";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(before, limit);
  return read_all(*query);
}

Result<std::vector<RolloutRecord>> running(Database& database) {
  static const std::string kSql = std::string(kSelect) + "WHERE state = 1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  return read_all(*query);
}

Result<PushCounts> count(Database& database, std::int64_t number) {
  auto query =
      database.query("SELECT state, count(*) FROM pushes WHERE rollout = ?1 GROUP BY state");
  if (!query) return fail(query.error());
  query->bind(number);
  PushCounts counts{};
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return counts;
    counts.at(static_cast<std::size_t>(query->integer(0))) = query->integer(1);
  }
}

}  // namespace rollouts
}  // namespace kscpush::server

#include "server/store/resync.hpp"

#include <array>

#include "core/names.hpp"
#include "server/store/pushes.hpp"

namespace kscpush::server {
namespace {

constexpr std::array<std::string_view, 2> kReasons{"expired", "overflow"};

}  // namespace

std::string_view to_string(ResyncReason reason) {
  return kReasons.at(static_cast<std::size_t>(reason));
}

std::optional<ResyncReason> resync_reason_from_name(std::string_view name) {
  return named<ResyncReason>(kReasons, name);
}

namespace resync {
namespace {

const std::string& levelling_kinds() {
  static const std::string kList = pushes::kinds_in_sql(made_up_by_sync);
  return kList;
}

// The device of a push that a synchronization makes up for.
Result<std::optional<DeviceId>> device_of(Database& database, std::int64_t seq) {
  static const std::string kSql =
      fmt::format("SELECT device FROM pushes WHERE seq = ?1 AND kind IN ({})", levelling_kinds());
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  const auto row = query->bind(seq).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  auto id = DeviceId::parse(query->text(0));
  if (!id) return fail(within("the database is damaged", id.error()));
  return std::move(*id);
}

// Tells of what the last statement has changed.
bool note(const Database& database, const DeviceId& id, WallTime at,
          std::optional<ResyncReason> reason, StoreChanges& changes) {
  if (database.changes() == 0) return false;
  changes.resyncs.push_back({id, at, reason});
  return true;
}

}  // namespace

Status expired(Database& database, std::int64_t seq, WallTime at, StoreChanges& changes) {
  const auto id = device_of(database, seq);
  if (!id) return fail(id.error());
  if (!*id) return {};
  // A later one may have levelled it before this one's time was over.
  static const std::string kSet = fmt::format(
      "UPDATE devices SET resync_since = ?3, resync_reason = ?4, resync_after = ?2"
      " WHERE id = ?1 AND resync_since IS NULL AND NOT EXISTS("
      "SELECT 1 FROM pushes WHERE device = ?1 AND (state < 3) = 0 AND seq > ?2 AND kind IN ({})"
      " AND (completed_at NOTNULL OR (acked_at NOTNULL AND policy_reported IS NULL)))",
      levelling_kinds());
  const auto reason = ResyncReason::kExpired;
  auto done = database.run(kSet, (*id)->str(), seq, at, to_string(reason));
  if (!done) return done;
  if (!note(database, **id, at, reason, changes)) {
    return database.run(
        "UPDATE devices SET resync_after = ?2"
        " WHERE id = ?1 AND resync_since IS NOT NULL AND resync_after < ?2",
        (*id)->str(), seq);
  }
  static const std::string kMark = fmt::format(
      "UPDATE pushes SET levels = 1"
      " WHERE device = ?1 AND (state < 3) = 1 AND seq > ?2 AND kind IN ({})",
      levelling_kinds());
  return database.run(kMark, (*id)->str(), seq);
}

Status refused(Database& database, const DeviceId& id, bool known, WallTime now,
               StoreChanges& changes) {
  if (known) {
    static const std::string kMove = fmt::format(
        "UPDATE devices SET resync_after = (SELECT max(seq) FROM pushes) WHERE id = ?1 AND EXISTS("
        "SELECT 1 FROM pushes WHERE device = ?1 AND (state < 3) = 1 AND seq > resync_after"
        " AND kind IN ({}))",
        levelling_kinds());
    return database.run(kMove, id.str());
  }
  const auto reason = ResyncReason::kOverflow;
  auto done = database.run(
      "UPDATE devices SET resync_since = ?2, resync_reason = ?3,"
      " resync_after = ifnull((SELECT max(seq) FROM pushes), 0) WHERE id = ?1",
      id.str(), now, to_string(reason));
  if (done) note(database, id, now, reason, changes);
  return done;
}

Status answered(Database& database, std::int64_t seq, bool completed, WallTime at,
                StoreChanges& changes) {
  const auto id = device_of(database, seq);
  if (!id) return fail(id.error());
  if (!*id) return {};
  auto done = database.run(
      "UPDATE devices SET resync_since = NULL, resync_reason = ''"
      " WHERE id = ?1 AND resync_since IS NOT NULL AND resync_after < ?2"
      " AND (?3 OR policy_reported IS NULL)",
      (*id)->str(), seq, completed ? 1 : 0);
  if (done) note(database, **id, at, std::nullopt, changes);
  return done;
}

Status reported(Database& database, const DeviceId& id, WallTime at, StoreChanges& changes) {
  auto done = database.run(
      "UPDATE devices SET resync_since = NULL, resync_reason = ''"
      " WHERE id = ?1 AND resync_since IS NOT NULL",
      id.str());
  if (done) note(database, id, at, std::nullopt, changes);
  return done;
}

Result<bool> is_owed(Database& database, const DeviceId& id) {
  static const std::string kSql = fmt::format(
      "SELECT 1 FROM devices WHERE id = ?1 AND resync_since IS NOT NULL AND NOT EXISTS("
      "SELECT 1 FROM pushes WHERE device = ?1 AND (state < 3) IN (0, 1) AND seq > resync_after"
      " AND kind IN ({}))",
      levelling_kinds());
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  return query->bind(id.str()).next();
}

}  // namespace resync
}  // namespace kscpush::server

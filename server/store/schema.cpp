#include "server/store/schema.hpp"

#include <array>

#include "core/file.hpp"

namespace kscpush::server {
namespace {

// In the file's header, for file(1) and for us to know our own: "kscp".
constexpr std::int64_t kApplicationId = 0x6b736370;

// Step N brings version N to N+1. A step that was released is never changed.
//
// Times are milliseconds since 1970. In pushes, `due` is when expire() must look at the row next:
// the end of its time to live, of the wait for the device's answer, or of its time in the history.
// An acknowledgement leaves it where it is, as its index would cost as much as all the rest:
// expire() moves it.
// One index serves both what waits for a device, (state < 3) = 1, and a device's history.
constexpr std::array kSteps{
    R"(
CREATE TABLE devices(
  id TEXT PRIMARY KEY NOT NULL,
  device_group TEXT NOT NULL,
  fingerprint TEXT NOT NULL DEFAULT '',
  revoked INTEGER NOT NULL DEFAULT 0,
  added INTEGER NOT NULL,
  last_seen INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE pushes(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL REFERENCES devices(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  params TEXT NOT NULL,
  collapse_key TEXT NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  result TEXT NOT NULL DEFAULT '',
  expires INTEGER NOT NULL,
  due INTEGER NOT NULL,
  accepted_at INTEGER,
  stored_at INTEGER,
  sent_at INTEGER,
  acked_at INTEGER,
  started_at INTEGER,
  completed_at INTEGER,
  expired_at INTEGER,
  superseded_at INTEGER,
  cancelled_at INTEGER,
  rejected_at INTEGER,
  undeliverable_at INTEGER,
  failed_at INTEGER
) STRICT;

CREATE INDEX pushes_of_device ON pushes(device, (state < 3), seq);
CREATE INDEX pushes_due ON pushes(due);
)",
    // Tags are words separated by blanks, in order; local_settings a JSON object, or empty.
    // policy_reported is when the device said first that it has policy_revision.
    R"(
ALTER TABLE devices ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN local_settings TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN policy_revision TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN policy_result TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN policy_reported INTEGER;
CREATE INDEX devices_of_group ON devices(device_group);
)",
    R"(
CREATE TABLE site_revisions(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  applied INTEGER NOT NULL,
  how TEXT NOT NULL,
  comment TEXT NOT NULL,
  hash TEXT NOT NULL,
  files TEXT NOT NULL,
  plan TEXT NOT NULL
) STRICT;

CREATE TABLE site_file(only INTEGER PRIMARY KEY CHECK(only = 1), hash TEXT NOT NULL) STRICT;
)",
    // request: a hash of what was asked for with the key; object: the id of what was made of it.
    // devices.disconnects: server/store/disconnects.hpp.
    R"(
CREATE TABLE idempotency_keys(
  key TEXT PRIMARY KEY NOT NULL,
  request TEXT NOT NULL,
  object TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_end ON idempotency_keys(expires);
ALTER TABLE devices ADD COLUMN disconnects TEXT NOT NULL DEFAULT '';
)",
    // rate: thousandths of a push a second. The devices of a rollout that have not got its push
    // yet, in their order, are those of rollout_targets.
    R"(
CREATE TABLE rollouts(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  params TEXT NOT NULL,
  collapse_key TEXT NOT NULL,
  ttl INTEGER NOT NULL,
  targets TEXT NOT NULL,
  rate INTEGER NOT NULL,
  max_failures INTEGER,
  canary INTEGER NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  total INTEGER NOT NULL DEFAULT 0,
  next INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  ended INTEGER
) STRICT;

CREATE TABLE rollout_targets(
  rollout INTEGER NOT NULL REFERENCES rollouts(number) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  device TEXT NOT NULL,
  PRIMARY KEY(rollout, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE pushes ADD COLUMN rollout INTEGER;
CREATE INDEX pushes_of_rollout ON pushes(rollout) WHERE rollout IS NOT NULL;
)",
    // ShardStore::perhaps_sent().
    R"(
CREATE TABLE push_mark(
  only INTEGER PRIMARY KEY CHECK(only = 1), perhaps_sent INTEGER NOT NULL
) STRICT;
)",
    // Of a device that was removed its tunnels stay: this is an audit.
    R"(
CREATE TABLE tunnels(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL,
  host TEXT NOT NULL,
  port INTEGER NOT NULL,
  opened_by TEXT NOT NULL,
  opened INTEGER NOT NULL,
  ended INTEGER,
  reason TEXT NOT NULL DEFAULT '',
  to_device INTEGER NOT NULL DEFAULT 0,
  from_device INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX tunnels_end ON tunnels(ended);
)",
    // hash: of the token's secret; used_key: of the key that was certified for it. certificate_ends
    // is that of devices.fingerprint.
    R"(
CREATE TABLE enrolment_tokens(
  device TEXT PRIMARY KEY NOT NULL REFERENCES devices(id) ON DELETE CASCADE,
  hash TEXT NOT NULL UNIQUE,
  expires INTEGER NOT NULL,
  used INTEGER,
  used_key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX enrolment_tokens_end ON enrolment_tokens(expires);
ALTER TABLE devices ADD COLUMN certificate_ends INTEGER;
)",
    // server/store/resync.hpp.
    R"(
ALTER TABLE devices ADD COLUMN resync_since INTEGER;
ALTER TABLE devices ADD COLUMN resync_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN resync_after INTEGER NOT NULL DEFAULT 0;
CREATE INDEX devices_resync ON devices(resync_since) WHERE resync_since IS NOT NULL;
ALTER TABLE pushes ADD COLUMN levels INTEGER NOT NULL DEFAULT 0;
)",
};

constexpr int kVersion = static_cast<int>(kSteps.size());

Status run_step(Database& database, int from) {
  const std::string sql =
      fmt::format("BEGIN IMMEDIATE;{};PRAGMA application_id = {};PRAGMA user_version = {};COMMIT;",
                  kSteps.at(static_cast<std::size_t>(from)), kApplicationId, from + 1);
  auto done = database.script(sql);
  if (!done && database.in_transaction()) static_cast<void>(database.script("ROLLBACK"));
  return done;
}

}  // namespace

int schema_version() {
  return kVersion;
}

namespace {

// Its version; an error when it is somebody else's, or newer than this program.
Result<int> known_version(Database& database) {
  const auto version = database.number("PRAGMA user_version");
  if (!version) return fail(version.error());
  const auto application = database.number("PRAGMA application_id");
  if (!application) return fail(application.error());
  const auto tables = database.number("SELECT count(*) FROM sqlite_master");
  if (!tables) return fail(tables.error());
  if (*tables > 0 && *application != kApplicationId) return fail(database.error(SQLITE_NOTADB));
  if (*version > kVersion) {
    return fail(
        {ErrorCode::kFailed,
         fmt::format("the database {} was written by a newer kscpush (its version is {}, this "
                     "program knows up to {})",
                     database.path().string(), *version, kVersion),
         "install the newer kscpush again, or restore the state directory from a backup"});
  }
  return static_cast<int>(*version);
}

}  // namespace

std::filesystem::path database_in(const std::filesystem::path& directory) {
  return directory / "store.db";
}

Result<Database> open_to_read(const std::filesystem::path& directory) {
  const auto path = database_in(directory);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (error) return fail(file_error("look for", path, error.value()));
    return fail(
        {ErrorCode::kNotFound, fmt::format("there is no database {}", path.string()),
         "the push server makes it when it is started first; see push_server.state_directory"});
  }
  auto database = Database::open(path, Database::Access::kReadOnly);
  if (!database) return database;
  const auto version = known_version(*database);
  if (!version) return fail(version.error());
  if (*version == 0) return fail(database->error(SQLITE_NOTADB));
  return database;
}

Status migrate(Database& database) {
  const auto version = known_version(database);
  if (!version) return fail(version.error());
  // Before the first table: then free pages can be given back while it is in use (compact_store).
  if (*version == 0) {
    if (auto set = database.script("PRAGMA auto_vacuum = INCREMENTAL"); !set) return set;
  }
  for (int from = *version; from < kVersion; ++from) {
    if (auto done = run_step(database, from); !done) return done;
  }
  return {};
}

}  // namespace kscpush::server

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/database.hpp"
#include "server/store/schema.hpp"
#include "server/store/store.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

std::string content_of(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

Error refused(const fs::path& state) {
  const test::FakeClock clock;
  const auto store = Store::open(state, clock);
  REQUIRE_FALSE(store.has_value());
  return store.error();
}

// What the first version wrote: the step as it was released, and a row in each table.
constexpr const char* kVersion1 = R"(
CREATE TABLE devices(
  id TEXT PRIMARY KEY NOT NULL, device_group TEXT NOT NULL, fingerprint TEXT NOT NULL DEFAULT '',
  revoked INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL, last_seen INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE pushes(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL REFERENCES devices(id) ON DELETE CASCADE, kind TEXT NOT NULL,
  params TEXT NOT NULL, collapse_key TEXT NOT NULL, state INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  result TEXT NOT NULL DEFAULT '', expires INTEGER NOT NULL, due INTEGER NOT NULL,
  accepted_at INTEGER, stored_at INTEGER, sent_at INTEGER, acked_at INTEGER, started_at INTEGER,
  completed_at INTEGER, expired_at INTEGER, superseded_at INTEGER, cancelled_at INTEGER,
  rejected_at INTEGER, undeliverable_at INTEGER, failed_at INTEGER
) STRICT;
CREATE INDEX pushes_of_device ON pushes(device, (state < 3), seq);
CREATE INDEX pushes_due ON pushes(due);
INSERT INTO devices VALUES('pc-1', 'Managed devices/Berlin', 'abc', 1, 1000, 2000);
INSERT INTO pushes(id, device, kind, params, collapse_key, state, expires, due, stored_at)
  VALUES('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'pc-1', 'sync', '{}', 'sync', 1, 9000, 9000, 1000);
PRAGMA application_id = 0x6b736370;
PRAGMA user_version = 1;
)";

void prepare(const fs::path& state, const std::string& sql) {
  fs::create_directories(state);
  auto database = Database::open(state / "store.db", Database::Access::kReadWrite);
  REQUIRE(database.has_value());
  REQUIRE(database->script(sql).has_value());
}

}  // namespace

TEST_CASE("open: directory and files are the owner's alone, whatever the umask") {
  const test::TempDir dir;
  const test::FakeClock clock;
  const mode_t old_mask = ::umask(0);
  auto store = Store::open(dir / "deep" / "state", clock);
  ::umask(old_mask);
  REQUIRE(store.has_value());
  REQUIRE((*store)->add_device({device("pc-1"), ""}).has_value());
  CHECK(mode_of(dir / "deep" / "state") == 0700);
  for (const auto& entry : fs::directory_iterator(dir / "deep" / "state")) {
    CAPTURE(entry.path().string());
    CHECK(mode_of(entry.path()) == 0600);
  }
  store->reset();
  // Closing works off the log.
  CHECK_FALSE(fs::exists(dir / "deep" / "state" / "store.db-wal"));
}

TEST_CASE("open: a database that others could read is closed to them") {
  const test::TempDir dir;
  prepare(dir / "state", "");
  REQUIRE(::chmod((dir / "state" / "store.db").c_str(), 0644) == 0);
  const test::FakeClock clock;
  REQUIRE(Store::open(dir / "state", clock).has_value());
  CHECK(mode_of(dir / "state" / "store.db") == 0600);
}

TEST_CASE("open: one process at a time, and the error names it") {
  TestStore store;
  const Error error = refused(store.dir / "state");
  CHECK(error.code == ErrorCode::kConflict);
  CHECK(error.message == "the state directory " + (store.dir / "state").string() +
                             " is in use by process " + std::to_string(::getpid()));
  store.reopen();
  CHECK(store->count_devices().has_value());
}

TEST_CASE("open: a database of a newer kscpush is left as it is") {
  const test::TempDir dir;
  const test::FakeClock clock;
  REQUIRE(Store::open(dir / "state", clock).has_value());
  prepare(dir / "state", "PRAGMA user_version = " + std::to_string(schema_version() + 1));
  const std::string before = content_of(dir / "state" / "store.db");
  const Error error = refused(dir / "state");
  CHECK(error.message.find("was written by a newer kscpush") != std::string::npos);
  CHECK_FALSE(error.hint.empty());
  CHECK(content_of(dir / "state" / "store.db") == before);
}

TEST_CASE("open: somebody else's database is left as it is") {
  const test::TempDir dir;
  prepare(dir / "state", "CREATE TABLE theirs(x)");
  const std::string before = content_of(dir / "state" / "store.db");
  const Error error = refused(dir / "state");
  CHECK(error.message ==
        "the database " + (dir / "state" / "store.db").string() + ": it is not a kscpush database");
  CHECK(content_of(dir / "state" / "store.db") == before);
}

TEST_CASE("open: a file that is no database is left as it is") {
  const test::TempDir dir;
  fs::create_directory(dir / "state");
  const std::string text(5000, 'x');
  std::ofstream(dir / "state" / "store.db") << text;
  CHECK(refused(dir / "state").message.find("it is not a kscpush database") != std::string::npos);
  CHECK(content_of(dir / "state" / "store.db") == text);
}

TEST_CASE("open: a path that cannot be a directory") {
  const test::TempDir dir;
  std::ofstream(dir / "file") << "x";
  CHECK(refused(dir / "file").code == ErrorCode::kConflict);
  CHECK_FALSE(refused(dir / "file" / "state").message.empty());
}

TEST_CASE("open: damage is found when it is met, and said") {
  const test::TempDir dir;
  {
    TestStore store;
    std::promise<void> last;
    for (int i = 0; i < 1000; ++i) {
      store->add_device({device("pc-" + std::to_string(i)), ""}, [&last, i](const Status& done) {
        CHECK(done.has_value());
        if (i == 999) last.set_value();
      });
    }
    last.get_future().get();
    store.store.reset();
    fs::copy(store.dir / "state", dir / "state");
  }
  std::fstream file(dir / "state" / "store.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(fs::file_size(dir / "state" / "store.db") - 4096, '\x7f');
  file.close();
  const test::FakeClock clock;
  const auto store = Store::open(dir / "state", clock);
  Error error;
  if (store) {
    const auto devices = (*store)->list_devices({}, "", 1000);
    REQUIRE_FALSE(devices.has_value());
    error = devices.error();
  } else {
    error = store.error();
  }
  CHECK(error.message.find("it is damaged") != std::string::npos);
  CHECK(error.hint.find("restore") != std::string::npos);
}

TEST_CASE("open: the schema is what version 9 was") {
  // A released step never changes; a new table or column is a new step.
  const test::TempDir dir;
  auto database = Database::open(dir / "s.db", Database::Access::kReadWrite);
  REQUIRE(database.has_value());
  REQUIRE(migrate(*database).has_value());
  CHECK(database->number("PRAGMA user_version").value() == 9);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('devices')").value() == 18);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('enrolment_tokens')").value() ==
        5);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('pushes')").value() == 26);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('push_mark')").value() == 2);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('rollouts')").value() == 17);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('tunnels')").value() == 11);
  REQUIRE(migrate(*database).has_value());  // again: nothing to do
  CHECK(database->number("PRAGMA user_version").value() == 9);
}

TEST_CASE("open: a database of version 1 is brought up to date, with all that is in it") {
  const test::TempDir dir;
  prepare(dir / "state", kVersion1);
  const test::FakeClock clock;
  const auto store = Store::open(dir / "state", clock);
  REQUIRE_MESSAGE(store.has_value(), store.error().message);
  const auto old = (*store)->find_device(device("pc-1")).value().value();
  CHECK(old.group == "Managed devices/Berlin");
  CHECK(old.fingerprint == "abc");
  CHECK(old.revoked);
  CHECK(old.added == WallTime(std::chrono::milliseconds(1000)));
  CHECK(old.last_seen == WallTime(std::chrono::milliseconds(2000)));
  CHECK(old.tags.empty());
  CHECK(old.platform.empty());
  CHECK(old.address.empty());
  CHECK(old.local_settings.empty());
  CHECK_FALSE(old.policy.has_value());
  CHECK_FALSE(old.resync.has_value());
  CHECK((*store)->pending(device("pc-1"), WallTime{}, 0, 10)->size() == 1);
  REQUIRE(expire(**store, clock.wall()).has_value());
  const auto resync = (*store)->find_device(device("pc-1")).value()->resync;
  REQUIRE(resync.has_value());
  CHECK(resync->since == WallTime(std::chrono::milliseconds(9000)));
  CHECK((*store)->change_device(device("pc-1"), {.tags = Tags{"a"}})->tags == Tags{"a"});
  CHECK((*store)->count_by_group().value() == DeviceCounts{{"Managed devices/Berlin", 1}});
}

TEST_CASE("reads do not wait for one another") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> found = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) {
        const auto record = store->find_device(device("pc-1"));
        found += record && record->has_value() ? 1 : 0;
        store->touch_device(device("pc-1"), store.clock.wall(), "");
      }
    });
  }
  for (int i = 0; i < 50; ++i) CHECK(add(*store, push_to("pc-1", store.clock)).has_value());
  for (std::thread& thread : threads) thread.join();
  CHECK(found == 8 * 500);
}

}  // namespace kscpush::server

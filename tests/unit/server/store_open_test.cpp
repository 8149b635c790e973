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
  REQUIRE((*store)->add_device(device("pc-1"), "").has_value());
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
      store->add_device(device("pc-" + std::to_string(i)), "", [&last, i](const Status& done) {
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
    const auto devices = (*store)->list_devices();
    REQUIRE_FALSE(devices.has_value());
    error = devices.error();
  } else {
    error = store.error();
  }
  CHECK(error.message.find("it is damaged") != std::string::npos);
  CHECK(error.hint.find("restore") != std::string::npos);
}

TEST_CASE("open: the schema is what version 1 was") {
  // A released step never changes; a new table or column is a new step.
  const test::TempDir dir;
  auto database = Database::open(dir / "s.db", Database::Access::kReadWrite);
  REQUIRE(database.has_value());
  REQUIRE(migrate(*database).has_value());
  CHECK(database->number("PRAGMA user_version").value() == 1);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('devices')").value() == 6);
  CHECK(database->number("SELECT count(*) FROM pragma_table_info('pushes')").value() == 24);
  REQUIRE(migrate(*database).has_value());  // again: nothing to do
  CHECK(database->number("PRAGMA user_version").value() == 1);
}

TEST_CASE("reads do not wait for one another") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "").has_value());
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> found = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) {
        const auto record = store->find_device(device("pc-1"));
        found += record && record->has_value() ? 1 : 0;
        store->touch_device(device("pc-1"), store.clock.wall());
      }
    });
  }
  for (int i = 0; i < 50; ++i) CHECK(add(*store, push_to("pc-1", store.clock)).has_value());
  for (std::thread& thread : threads) thread.join();
  CHECK(found == 8 * 500);
}

}  // namespace kscpush::server

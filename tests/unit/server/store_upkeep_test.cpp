// Checking, compacting and backing up a store, with and without a server that has it open.
#include <fstream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "server/store/database.hpp"
#include "server/store/schema.hpp"
#include "server/store/upkeep.hpp"
#include "tests/support/net/faulty_vfs.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

void ignore(std::size_t /*done*/, std::size_t /*total*/) {}

struct FilledStore : TestStore {
  explicit FilledStore(int pushes = 40) : TestStore({.pending_per_device = 100'000}) {
    REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
    for (int i = 0; i < pushes; ++i) {
      PushRecord push = push_to("pc-1", clock, hours(1));
      push.params = '"' + std::string(5000, 'x') + '"';
      all.push_back(add(*store, std::move(push)).value());
    }
  }
  // All but the last are past their time, and past their time in the history.
  void age() {
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      REQUIRE(
          step(*store, {all[i].seq, PushState::kCompleted, clock.wall(), 0, "", ""}).has_value());
    }
    REQUIRE(step(*store, {all.back().seq, PushState::kSent, clock.wall(), 1, "", ""}).has_value());
    REQUIRE(
        expire(*store, clock.wall() + limits.keep_history + std::chrono::minutes(1)).has_value());
  }
  [[nodiscard]] fs::path state() const { return dir / "state"; }
  [[nodiscard]] StoreCheck check() const {
    auto done = check_store(state(), false, clock.wall(), ignore);
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
    return *done;
  }
  // As somebody would who edits the database by hand.
  void tamper(const std::string& sql) {
    store.reset();
    auto database = Database::open(state() / "store.db", Database::Access::kReadWrite);
    REQUIRE(database.has_value());
    REQUIRE(database->script(sql).has_value());
  }
  std::vector<PushRecord> all;
};

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST_CASE("store check: a sound database, in use and not") {
  FilledStore store;
  std::size_t last = 0;
  const auto used = check_store(store.state(), false, store.clock.wall(),
                                [&](std::size_t done, std::size_t total) {
                                  CHECK(done < total);
                                  CHECK(done >= last);
                                  last = done;
                                });
  REQUIRE(used.has_value());
  CHECK(used->problems.empty());
  CHECK(used->devices == 1);
  CHECK(used->pushes == 40);
  CHECK(used->version == schema_version());
  CHECK(last > 5);
  store.store.reset();
  CHECK(store.check().problems.empty());
  CHECK(check_store(store.state(), true, store.clock.wall(), ignore)->problems.empty());
}

TEST_CASE("store check: what must not be is found and named") {
  const std::pair<const char*, const char*> wrongs[] = {
      {"UPDATE pushes SET state = 77 WHERE seq = 3", "its state or its number of attempts"},
      {"UPDATE pushes SET id = 'short' WHERE seq = 3", "its identifier is none"},
      {"UPDATE pushes SET state = 4, due = due + 9 WHERE seq = 3", "reached a state at no time"},
      {"UPDATE pushes SET due = due + 1 WHERE seq = 3", "at the wrong time"},
      {"UPDATE pushes SET state = 2, sent_at = 1 WHERE seq = 3", "no attempt is counted"},
      {"UPDATE pushes SET params = '{' WHERE seq = 3", "are not JSON"},
      {"UPDATE pushes SET collapse_key = 'k' WHERE seq < 3", "one should replace the other"},
      {"UPDATE sqlite_sequence SET seq = 5", "numbers could be given twice"},
      {"UPDATE devices SET resync_since = 1", "it has missed something for no reason"},
      {"PRAGMA foreign_keys = OFF; DELETE FROM devices", "a row of devices that there is not"},
  };
  for (const auto& wrong : wrongs) {
    CAPTURE(wrong.first);
    FilledStore store;
    store.tamper(wrong.first);
    const auto problems = store.check().problems;
    REQUIRE_FALSE(problems.empty());
    CHECK(problems.size() <= kMostProblems + 1);
    bool found = false;
    for (const auto& problem : problems) found |= problem.find(wrong.second) != std::string::npos;
    CHECK_MESSAGE(found, problems.front());
  }
}

TEST_CASE("store check: damage within the file") {
  FilledStore store;
  store.store.reset();
  const fs::path path = store.state() / "store.db";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  constexpr std::size_t kPage = 4096;
  file.seekp(3 * kPage);
  file << std::string(10 * kPage, '\x7f');
  file.close();
  const std::string before = content_of(path);
  const auto check = check_store(store.state(), false, store.clock.wall(), ignore);
  if (check) {
    CHECK_FALSE(check->problems.empty());
  } else {
    CHECK(check.error().message.find("it is damaged") != std::string::npos);
    CHECK(check.error().hint.find("restore") != std::string::npos);
  }
  CHECK(content_of(path) == before);
}

TEST_CASE("store upkeep: no database, somebody else's, a newer one: refused and left as they are") {
  const test::TempDir dir;
  const auto refused = [&](const fs::path& state) {
    const auto check = check_store(state, false, WallTime{}, ignore);
    const auto compact = compact_store(state, ignore);
    const auto backup = back_up_store(state, dir / "copy", WallTime{}, ignore);
    REQUIRE_FALSE(check.has_value());
    REQUIRE_FALSE(compact.has_value());
    REQUIRE_FALSE(backup.has_value());
    CHECK(compact.error().message == check.error().message);
    CHECK(backup.error().message == check.error().message);
    CHECK_FALSE(fs::exists(dir / "copy"));
    return check.error();
  };
  CHECK(refused(dir / "none").code == ErrorCode::kNotFound);
  CHECK_FALSE(fs::exists(dir / "none"));
  FilledStore newer;
  newer.tamper("PRAGMA user_version = 1000");
  CHECK(refused(newer.state()).message.find("newer kscpush") != std::string::npos);
  fs::create_directory(dir / "text");
  std::ofstream(dir / "text" / "store.db") << std::string(5000, 'x');
  CHECK(refused(dir / "text").message.find("is not a kscpush database") != std::string::npos);
}

TEST_CASE("store compact: free space goes back to the disk, nothing else changes") {
  for (const bool online : {true, false}) {
    CAPTURE(online);
    FilledStore store(400);
    store.age();
    if (!online) store.store.reset();
    const auto done = compact_store(store.state(), ignore);
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
    CHECK(done->online == online);
    CHECK(done->before > 400 * 5000);
    CHECK(done->after < done->before / 4);
    CHECK(store.check().pushes == 1);
    CHECK(store.check().problems.empty());
    if (online) CHECK(add(*store, push_to("pc-1", store.clock)).has_value());
    store.reopen();
    CHECK(store->find_push(store.all.back().id)->has_value());
  }
}

TEST_CASE("store compact: while the server writes, both get on") {
  FilledStore store(400);
  store.age();
  std::atomic<int> stored = 0;
  std::atomic<bool> stop = false;
  std::thread server([&] {
    while (!stop) stored += add(*store, push_to("pc-1", store.clock, hours(1))).has_value() ? 1 : 0;
  });
  const auto done = compact_store(store.state(), ignore);
  stop = true;
  server.join();
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  CHECK(store.check().problems.empty());
  CHECK(store.check().pushes == stored + 1);
}

TEST_CASE("store compact: a database of before is made ready by compacting it once at rest") {
  FilledStore store(400);
  store.age();
  store.tamper("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
  store.reopen();
  const auto refused = compact_store(store.state(), ignore);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().hint.find("stop the push server") != std::string::npos);
  store.store.reset();
  REQUIRE(compact_store(store.state(), ignore).has_value());
  store.reopen();
  CHECK(compact_store(store.state(), ignore).has_value());
}

TEST_CASE("store backup: one whole file of one moment, from which a server goes on") {
  FilledStore store;
  std::size_t last = 0;
  const auto backup = back_up_store(store.state(), store.dir / "copy.db", store.clock.wall(),
                                    [&](std::size_t done, std::size_t total) {
                                      CHECK(done <= total);
                                      last = done;
                                    });
  REQUIRE_MESSAGE(backup.has_value(), backup.error().message);
  CHECK(backup->devices == 1);
  CHECK(backup->pushes == 40);
  CHECK(static_cast<std::size_t>(backup->bytes) == fs::file_size(store.dir / "copy.db"));
  CHECK(last > 50);
  struct stat status {};
  REQUIRE(::stat((store.dir / "copy.db").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600);
  std::size_t beside = 0;
  for (const auto& entry : fs::directory_iterator(store.dir.path()))
    beside += entry.exists() ? 1 : 0;
  CHECK(beside == 2);  // the state directory and the copy
  // Restored, as docs/store.md says.
  fs::create_directory(store.dir / "restored");
  fs::copy_file(store.dir / "copy.db", store.dir / "restored" / "store.db");
  const auto restored = Store::open(store.dir / "restored", store.clock);
  REQUIRE_MESSAGE(restored.has_value(), restored.error().message);
  for (const auto& push : store.all) CHECK((*restored)->find_push(push.id)->has_value());
  CHECK((*restored)->perhaps_sent() == store.all.back().seq);
}

TEST_CASE("store backup: while the server writes it is of one moment") {
  FilledStore store;
  std::atomic<bool> stop = false;
  std::thread server([&] {
    while (!stop) static_cast<void>(add(*store, push_to("pc-1", store.clock, hours(1))));
  });
  for (int i = 0; i < 3; ++i) {
    const auto target = store.dir / ("copy-" + std::to_string(i));
    const auto backup = back_up_store(store.state(), target, store.clock.wall(), ignore);
    CHECK_MESSAGE(backup.has_value(), backup.error().message);
  }
  stop = true;
  server.join();
}

TEST_CASE("store backup: never overwrites, and leaves nothing when it fails") {
  FilledStore store;
  std::ofstream(store.dir / "there") << "precious";
  const auto refused = back_up_store(store.state(), store.dir / "there", WallTime{}, ignore);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(content_of(store.dir / "there") == "precious");
  CHECK_FALSE(
      back_up_store(store.state(), store.dir / "no" / "copy", WallTime{}, ignore).has_value());
  store.tamper("UPDATE pushes SET state = 77 WHERE seq = 3");
  const auto unsound = back_up_store(store.state(), store.dir / "copy", WallTime{}, ignore);
  REQUIRE_FALSE(unsound.has_value());
  CHECK(unsound.error().message.find("its state or its number") != std::string::npos);
  CHECK_FALSE(fs::exists(store.dir / "copy"));
}

TEST_CASE("store backup: a disk that fills up under it") {
  test::FaultyVfs disk;
  FilledStore store;
  store.store->drain();
  disk.fail_writes(SQLITE_FULL, 20);
  const auto failed = back_up_store(store.state(), store.dir / "copy", store.clock.wall(), ignore);
  disk.recover();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message.find("the disk is full") != std::string::npos);
  CHECK_FALSE(fs::exists(store.dir / "copy"));
  CHECK(store.check().pushes == 40);
}

TEST_CASE("store: a clock that is set back by a day loses and ends nothing") {
  FilledStore store(3);
  REQUIRE(step(*store, {store.all[0].seq, PushState::kSent, store.clock.wall(), 1, "", ""})
              .has_value());
  store.clock.set_wall(store.clock.wall() - hours(24));
  store.reopen();
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(store->pending(device("pc-1"), store.clock.wall(), 0, 10)->size() == 3);
  const auto added = add(*store, push_to("pc-1", store.clock)).value();
  CHECK(added.seq > store.all.back().seq);
  REQUIRE(step(*store, {store.all[0].seq, PushState::kAcked, store.clock.wall(), 0, "", ""})
              .has_value());
  CHECK(store->find_push(store.all[0].id).value()->state == PushState::kAcked);
  CHECK(store.check().problems.empty());
}

TEST_CASE("store: a disk that becomes read-only is said, and nothing accepted is lost") {
  test::FaultyVfs disk;
  FilledStore store(3);
  disk.fail_writes(SQLITE_READONLY);
  const auto refused = add(*store, push_to("pc-1", store.clock));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kDenied);
  CHECK(refused.error().message.find("it cannot be written") != std::string::npos);
  CHECK(refused.error().hint.find("findmnt") != std::string::npos);
  CHECK(store->find_push(store.all[0].id)->has_value());
  disk.recover();
  CHECK(add(*store, push_to("pc-1", store.clock)).has_value());
  CHECK(store.check().pushes == 4);
}

}  // namespace kscpush::server

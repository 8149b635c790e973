#include <atomic>
#include <future>
#include <set>

#include <doctest/doctest.h>

#include "server/store/writer.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::server {
namespace {

using test::TempDir;

Database make_database(const TempDir& dir) {
  auto database = Database::open(dir / "w.db", Database::Access::kReadWrite);
  REQUIRE(database.has_value());
  REQUIRE(database->script("PRAGMA journal_mode = WAL;CREATE TABLE IF NOT EXISTS t(x UNIQUE)")
              .has_value());
  return std::move(*database);
}

std::int64_t rows(const TempDir& dir) {
  return Database::open(dir / "w.db", Database::Access::kReadOnly)
      ->number("SELECT count(*) FROM t")
      .value();
}

Writer::Change insert(int x) {
  return [x](Database& database) { return database.run("INSERT INTO t VALUES(?1)", x); };
}

// Holds the writer thread inside a callback until released, so that what is posted meanwhile is
// one group.
class Gate {
 public:
  explicit Gate(Writer& writer) {
    writer.post([](Database&) -> Status { return {}; },
                [state = state_](const Status&) {
                  state->inside.set_value();
                  state->open.get_future().get();
                });
    state_->inside.get_future().get();
  }
  void open() { state_->open.set_value(); }

 private:
  struct State {
    std::promise<void> inside;
    std::promise<void> open;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

TEST_CASE("writer: callbacks come in order, on its thread, when the change can be seen") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  std::vector<int> order;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    writer.post(insert(i), [&, i](const Status& status) {
      CHECK(status.has_value());
      CHECK(rows(dir) > i);
      threads.insert(std::this_thread::get_id());
      order.push_back(i);
    });
  }
  writer.stop();
  CHECK(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(threads.size() == 1);
  CHECK_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST_CASE("writer: what is queued becomes one transaction") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  Gate gate(writer);
  std::atomic<int> first_callback_saw = 0;
  for (int i = 0; i < 50; ++i) {
    writer.post(insert(i), [&, i](const Status&) {
      if (i == 0) first_callback_saw = static_cast<int>(rows(dir));
    });
  }
  CHECK(writer.queued() == 50);
  gate.open();
  writer.stop();
  CHECK(first_callback_saw == 50);
}

TEST_CASE("writer: what is patient goes with the next change that is in haste") {
  const TempDir dir;
  Writer writer(make_database(dir), {.patience = std::chrono::hours(1)});
  std::atomic<int> callback_saw = 0;
  writer.post(
      insert(1), [&](const Status&) { callback_saw = static_cast<int>(rows(dir)); }, 0,
      Writer::Pace::kPatient);
  CHECK(writer.queued() == 1);
  CHECK(writer.wait(insert(2)).has_value());
  CHECK(callback_saw == 2);
  // The next is no less patient.
  writer.post(insert(3), nullptr, 0, Writer::Pace::kPatient);
  CHECK(writer.queued() == 1);
  writer.stop();
  CHECK(rows(dir) == 3);
}

TEST_CASE("writer: patience has an end") {
  const TempDir dir;
  Writer writer(make_database(dir), {.patience = std::chrono::milliseconds(1)});
  for (int i = 0; i < 3; ++i) {
    std::promise<Status> written;
    writer.post(
        insert(i), [&](const Status& status) { written.set_value(status); }, 0,
        Writer::Pace::kPatient);
    auto status = written.get_future();
    REQUIRE(status.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
    CHECK(status.get().has_value());
  }
  CHECK(rows(dir) == 3);
}

TEST_CASE("writer: no transaction is larger than a group") {
  const TempDir dir;
  Writer writer(make_database(dir), {.group = 10});
  Gate gate(writer);
  std::atomic<int> first_callback_saw = 0;
  for (int i = 0; i < 50; ++i) {
    writer.post(insert(i), [&, i](const Status&) {
      if (i == 0) first_callback_saw = static_cast<int>(rows(dir));
    });
  }
  gate.open();
  writer.stop();
  CHECK(first_callback_saw == 10);
  CHECK(rows(dir) == 50);
}

TEST_CASE("writer: a change that fails takes nothing of the others, and nothing of itself stays") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  Gate gate(writer);
  std::vector<bool> done;
  const auto note = [&](const Status& status) { done.push_back(status.has_value()); };
  writer.post(insert(1), note);
  writer.post(
      [](Database& database) -> Status {
        auto inserted = database.run("INSERT INTO t VALUES(2)");
        REQUIRE(inserted.has_value());
        return fail(ErrorCode::kUsage, "changed my mind");
      },
      note);
  writer.post(insert(1), note);  // not unique
  writer.post(insert(3), note);
  gate.open();
  writer.stop();
  CHECK(done == std::vector<bool>{true, false, false, true});
  CHECK(rows(dir) == 2);
}

TEST_CASE(
    "writer: who takes back what it has done itself needs no savepoint for the others' sake") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  Gate gate(writer);
  std::vector<bool> done;
  const auto note = [&](const Status& status) { done.push_back(status.has_value()); };
  const auto by_itself = [&](Writer::Change change) {
    writer.post(std::move(change), note, 0, Writer::Pace::kHaste, Writer::Undo::kByItself);
  };
  by_itself(insert(1));
  by_itself(insert(1));  // not unique
  by_itself([](Database& database) {
    return database.in_savepoint([](Database& inside) -> Status {
      REQUIRE(inside.run("INSERT INTO t VALUES(2)").has_value());
      return fail(ErrorCode::kUsage, "changed my mind");
    });
  });
  by_itself(insert(3));
  gate.open();
  writer.stop();
  CHECK(done == std::vector<bool>{true, false, false, true});
  CHECK(rows(dir) == 2);
}

TEST_CASE("writer: when the transaction fails, all of the group do") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  Gate gate(writer);
  std::vector<std::string> errors;
  std::promise<void> last;
  const auto note = [&](const Status& status) {
    errors.push_back(status ? "" : status.error().message);
    if (errors.size() == 4) last.set_value();
  };
  writer.post(insert(1), note);
  writer.post([](Database&) -> Status { return fail(ErrorCode::kUsage, "its own"); }, note);
  // As SQLite itself does when the disk is full.
  writer.post(
      [](Database& database) -> Status {
        REQUIRE(database.run("ROLLBACK").has_value());
        return fail(ErrorCode::kFailed, "the disk is full");
      },
      note);
  writer.post(insert(2), note);
  gate.open();
  last.get_future().get();
  CHECK(writer.wait(insert(3)).has_value());
  writer.stop();
  CHECK(errors == std::vector<std::string>{"the disk is full", "its own", "the disk is full",
                                           "the disk is full"});
  CHECK(rows(dir) == 1);
}

TEST_CASE("writer: a change that hides the end of its transaction fails all the same") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  const auto status = writer.wait([](Database& database) { return database.run("ROLLBACK"); });
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().message == "the database gave up the transaction");
  std::promise<Status> other;
  writer.post([](Database& database) { return database.run("ROLLBACK"); },
              [&](Status posted) { other.set_value(std::move(posted)); }, 0, Writer::Pace::kHaste,
              Writer::Undo::kByItself);
  CHECK(other.get_future().get().error().message == "the database gave up the transaction");
  CHECK(writer.wait(insert(1)).has_value());
}

TEST_CASE("writer: beyond its bound it refuses at once") {
  const TempDir dir;
  Writer writer(make_database(dir), {.queued = 3});
  Gate gate(writer);
  std::atomic<int> stored = 0;
  for (int i = 0; i < 3; ++i) {
    writer.post(insert(i), [&](const Status& status) { stored += status ? 1 : 0; });
  }
  std::optional<Status> refused;
  writer.post(insert(4), [&](const Status& status) { refused = status; });
  REQUIRE(refused.has_value());
  REQUIRE_FALSE(refused->has_value());
  CHECK(refused->error().code == ErrorCode::kOverloaded);
  writer.post(insert(5), nullptr);
  gate.open();
  writer.stop();
  CHECK(stored == 3);
  CHECK(rows(dir) == 3);
}

TEST_CASE("writer: the bound on bytes counts what waits, not what is done") {
  const TempDir dir;
  Writer writer(make_database(dir), {.queued_bytes = 100});
  for (int round = 0; round < 3; ++round) {
    Gate gate(writer);
    std::vector<bool> done;
    std::promise<void> last;
    const auto note = [&](const Status& status) { done.push_back(status.has_value()); };
    writer.post(insert(10 * round), note, 60);
    writer.post(insert(10 * round + 1), note, 41);  // refused, at once
    writer.post(insert(10 * round + 2), note, 40);
    writer.post(insert(10 * round + 3), note, 1'000);
    writer.post(insert(10 * round + 4), [&](const Status&) { last.set_value(); });
    gate.open();
    last.get_future().get();
    CHECK(done == std::vector<bool>{false, false, true, true});
  }
}

TEST_CASE("writer: large changes make smaller groups, and one that is larger is one alone") {
  const TempDir dir;
  Writer writer(make_database(dir), {.group_bytes = 100});
  Gate gate(writer);
  std::vector<std::int64_t> seen;  // the writer's
  int number = 0;
  for (const std::size_t bytes : {60U, 40U, 1U, 500U, 99U, 2U}) {
    writer.post(
        insert(++number), [&](const Status&) { seen.push_back(rows(dir)); }, bytes);
  }
  gate.open();
  writer.stop();
  CHECK(seen == std::vector<std::int64_t>{2, 2, 3, 4, 5, 6});
}

TEST_CASE("writer: the log is worked off, and not in a commit that somebody waits for") {
  const TempDir dir;
  Writer writer(make_database(dir), {.log_pages = 10});
  const auto log_bytes = [&] { return std::filesystem::file_size(dir / "w.db-wal"); };
  constexpr int kRows = 200;
  std::uintmax_t most = 0;
  for (int x = 0; x < kRows; ++x) {
    REQUIRE(writer.wait(insert(x)));
    most = std::max(most, log_bytes());
  }
  // A commit of a row is two pages or three; a log that is worked off begins anew.
  constexpr std::uintmax_t kPage = 4096 + 24;
  CHECK(most >= 10 * kPage);
  CHECK(most < 30 * kPage);
  writer.stop();
  CHECK(rows(dir) == kRows);
}

TEST_CASE("writer: nobody's change waits for the owner's extras, which wait for each other only") {
  const TempDir dir;
  constexpr int kExtras = 5;
  std::vector<int> order;  // the writer thread's
  std::promise<void> all;
  int extras = 0;
  const auto extra = [&](bool) -> Writer::Job {
    if (extras == kExtras) return {};
    const int x = 100 + extras++;
    return {insert(x), [&, x](const Status&) {
              order.push_back(x);
              if (x == 100 + kExtras - 1) all.set_value();
            }};
  };
  Writer writer(make_database(dir), {.group = 1,
                                     .extra = extra,
                                     .idle = std::chrono::hours(1),
                                     .extra_pause = std::chrono::hours(1)});
  {
    Gate gate(writer);
    for (int x = 0; x < 3; ++x) {
      writer.post(insert(x), [&, x](const Status&) {
        CHECK(rows(dir) == x + 1);  // without an extra in its transaction
        order.push_back(x);
      });
    }
    gate.open();
  }
  REQUIRE(all.get_future().wait_for(std::chrono::seconds(30)) == std::future_status::ready);
  writer.stop();
  CHECK(order == std::vector<int>{0, 1, 2, 100, 101, 102, 103, 104});
}

TEST_CASE("writer: when there is always something to write, extras come now and then") {
  const TempDir dir;
  bool extra_ran = false;  // the writer thread's
  const auto extra = [&](bool closing) -> Writer::Job {
    if (closing) return {};
    return {insert(-1), [&](const Status&) { extra_ran = true; }};
  };
  Writer writer(make_database(dir),
                {.group = 1, .extra = extra, .extra_pause = std::chrono::milliseconds(0)});
  Gate gate(writer);
  bool ran_before_last = false;
  writer.post(insert(1), nullptr);
  writer.post(insert(2), [&](const Status&) { ran_before_last = extra_ran; });
  gate.open();
  writer.stop();
  CHECK(ran_before_last);
}

TEST_CASE("writer: an extra that fails is not tried again at once") {
  const TempDir dir;
  int tries = 0;  // the writer thread's
  const auto extra = [&](bool) -> Writer::Job {
    ++tries;
    return {[](Database& database) { return database.run("INSERT INTO no_table VALUES(1)"); },
            nullptr};
  };
  Writer writer(make_database(dir), {.extra = extra, .idle = std::chrono::hours(1)});
  CHECK(writer.wait(insert(1)).has_value());
  writer.stop();
  // After the change that was waited for, after the wake up to stop, and at the end.
  CHECK(tries <= 3);
}

TEST_CASE("writer: a callback that waits for the writer gets an error, not a deadlock") {
  const TempDir dir;
  Writer writer(make_database(dir), {});
  std::promise<Status> answer;
  writer.post(insert(1), [&](const Status&) { answer.set_value(writer.wait(insert(2))); });
  const Status status = answer.get_future().get();
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().message == "a callback of the store waited for the store");
}

TEST_CASE("writer: stopping completes what is queued and what its callbacks post") {
  const TempDir dir;
  std::atomic<int> done = 0;
  {
    Writer writer(make_database(dir), {.group = 2});
    Gate gate(writer);
    for (int i = 0; i < 20; ++i) {
      writer.post(insert(i), [&, i](const Status&) {
        ++done;
        writer.post(insert(100 + i), [&](const Status&) { ++done; });
      });
    }
    gate.open();
  }
  CHECK(done == 40);
  CHECK(rows(dir) == 40);
}

TEST_CASE(
    "writer: another program that holds the database is waited for, then named as the cause") {
  const TempDir dir;
  Database database = make_database(dir);
  auto other = Database::open(dir / "w.db", Database::Access::kReadWrite);
  REQUIRE(other.has_value());
  REQUIRE(database.script("PRAGMA busy_timeout = 1").has_value());
  Writer writer(std::move(database), {});
  REQUIRE(other->run("BEGIN IMMEDIATE").has_value());
  const Status refused = writer.wait(insert(1));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kOverloaded);
  CHECK(refused.error().message.find("another program holds it locked") != std::string::npos);
  REQUIRE(other->run("COMMIT").has_value());
  CHECK(writer.wait(insert(1)).has_value());
}

TEST_CASE("writer: what a burst has read is given back when it is quiet, and not before") {
  for (const bool quiet : {false, true}) {
    CAPTURE(quiet);
    const TempDir dir;
    std::atomic<int> rests = 0;
    Writer writer(make_database(dir),
                  {.quiet = std::chrono::hours(quiet ? 0 : 1), .rest = [&] { ++rests; }});
    const auto burst = [](Database& database) {
      return database.script(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
          " INSERT INTO t SELECT printf('%0100d', i) FROM n");
    };
    REQUIRE(writer.wait(burst).has_value());
    std::size_t kept = 0;
    REQUIRE(writer
                .wait([&](Database& database) -> Status {
                  kept = database.page_bytes();
                  return {};
                })
                .has_value());
    CHECK((kept < 100'000) == quiet);
    CHECK((rests > 0) == quiet);
    CHECK(rows(dir) == 20'000);
  }
}

}  // namespace kscpush::server

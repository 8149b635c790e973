// What devices have missed: when it is remembered, and what makes up for it.
#include <doctest/doctest.h>

#include "tests/unit/server/push_store.hpp"

namespace kscpush::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct ResyncStore : PushStore {
  explicit ResyncStore(StoreLimits with = {}) : PushStore(with) {
    store->watch([this](const StoreChanges& changes) {
      for (const ResyncChange& change : changes.resyncs) {
        told.push_back(fmt::format("{} {}", change.device.str(),
                                   change.reason ? to_string(*change.reason) : "level"));
      }
    });
  }
  // Its expiry has been swept up.
  PushRecord add_lost(std::string_view id = "pc-1") {
    const auto push = add_one(id);
    pass(minutes(15));
    return push;
  }
  void pass(std::chrono::seconds time) {
    clock.advance(time);
    REQUIRE(expire(*store, clock.wall()).has_value());
  }
  PushRecord add_question(std::chrono::seconds ttl = hours(1)) {
    PushRecord push = push_to("pc-1", clock, ttl);
    push.kind = "ping";
    return add(*store, push).value();
  }
  // What a full queue refuses.
  ErrorCode refuse(const std::string& kind = "sync") {
    PushRecord push = push_to("pc-1", clock);
    push.kind = kind;
    const auto refused = add(*store, push);
    REQUIRE_FALSE(refused.has_value());
    return refused.error().code;
  }
  void report(bool in_sync) {
    std::promise<Status> answer;
    store->report(device("pc-1"), {.policy = DeviceReport::Policy{"r1", "applied"}}, in_sync,
                  clock.wall(), [&](Status done) { answer.set_value(std::move(done)); });
    REQUIRE(answer.get_future().get().has_value());
  }
  std::optional<PushRecord> bring_level() {
    PushRecord push = push_to("pc-1", clock);
    push.collapse_key = push.kind;
    std::promise<Result<std::optional<PushRecord>>> answer;
    store->add_resync(std::move(push), [&](Result<std::optional<PushRecord>> made) {
      answer.set_value(std::move(made));
    });
    return answer.get_future().get().value();
  }
  [[nodiscard]] std::optional<ResyncRequired> resync(std::string_view id = "pc-1") const {
    return store->find_device(device(id)).value()->resync;
  }
  [[nodiscard]] bool needed() const { return resync().has_value(); }

  std::vector<std::string> told;
};

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "resync: a synchronization that expired is missed, since then, and the first time stays") {
  ResyncStore store;
  CHECK_FALSE(store.needed());
  const WallTime start = store.clock.wall();
  SUBCASE("not sent, found by the sweep") {
    store.add_one();
    store.pass(minutes(16));
  }
  SUBCASE("sent, and its late acknowledgement ends it") {
    const auto sent = store.add_one();
    store.move_to(sent, PushState::kSent);
    store.clock.advance(minutes(16));
    store.move_to(sent, PushState::kAcked);
  }
  REQUIRE(store.needed());
  CHECK(store.resync()->since == start + minutes(15));
  CHECK(store.resync()->reason == ResyncReason::kExpired);
  CHECK_FALSE(store.resync("pc-2").has_value());
  CHECK(store.told == Told{"pc-1 expired"});
  store.add_lost();
  store.reopen();
  CHECK(store.resync()->since == start + minutes(15));
  CHECK(store.told == Told{"pc-1 expired"});
}

TEST_CASE("resync: what nobody misses") {
  ResyncStore store({.pending_per_device = 2});
  SUBCASE("a question that expired, or was refused") {
    store.add_question(seconds(10));
    store.pass(seconds(10));
    store.add_question();
    store.add_question();
    CHECK(store.refuse("stats") == ErrorCode::kOverloaded);
  }
  SUBCASE("what was acknowledged and never answered") {
    store.move_to(store.add_one(), PushState::kAcked);
    store.pass(hours(49));
  }
  SUBCASE("what was taken back") {
    REQUIRE(cancel(*store, store.add_one().id).has_value());
    store.pass(minutes(16));
  }
  SUBCASE("what a later one has made up for") {
    const auto lost = store.add_one();
    store.move_to(lost, PushState::kSent);
    store.move_to(store.add_one(), PushState::kAcked);
    store.pass(minutes(16));
    CHECK(find(*store, lost).state == PushState::kExpired);
  }
  CHECK_FALSE(store.needed());
  CHECK(store.told.empty());
}

TEST_CASE("resync: a client that reports nothing is level when it acknowledges a later one") {
  ResyncStore store;
  const auto lost = store.add_one();
  store.clock.advance(minutes(1));
  const auto between = store.add_one();  // waits when the other expires
  store.pass(minutes(14));
  REQUIRE(store.needed());
  store.move_to(lost, PushState::kAcked);
  CHECK(store.needed());
  store.move_to(between, PushState::kAcked);
  CHECK_FALSE(store.needed());
  CHECK(store.told == Told{"pc-1 expired", "pc-1 level"});
  store.add_lost();
  const auto after = store.add_one();
  store.move_to(after, PushState::kSent);
  CHECK(store.needed());
  store.reopen();
  store.move_to(after, PushState::kAcked);
  CHECK_FALSE(store.needed());
}

TEST_CASE("resync: a device that reports is level when it has synchronized") {
  ResyncStore store;
  store.report(false);
  store.add_lost();
  const auto after = store.add_one();
  store.move_to(after, PushState::kAcked);
  CHECK(store.needed());
  SUBCASE("as the push is completed") {
    store.move_to(after, PushState::kCompleted);
  }
  SUBCASE("as it reports what it should have") {
    store.report(false);
    CHECK(store.needed());
    store.report(true);
  }
  CHECK_FALSE(store.needed());
  CHECK(store.told == Told{"pc-1 expired", "pc-1 level"});
}

TEST_CASE("resync: its acknowledgement alone makes up for nothing when it expired unfinished") {
  ResyncStore store;
  store.report(false);
  const auto lost = store.add_one();
  store.move_to(lost, PushState::kSent);
  store.move_to(store.add_one(), PushState::kAcked);
  store.pass(minutes(16));
  CHECK(store.needed());
}

TEST_CASE("resync: a synchronization that a full queue refuses is missed, and noted once") {
  ResyncStore store({.pending_per_device = 2});
  store.add_question();
  const auto sent = store.add_one();
  store.move_to(sent, PushState::kSent);
  const WallTime first = store.clock.wall();
  CHECK(store.refuse() == ErrorCode::kOverloaded);
  REQUIRE(store.needed());
  CHECK(store.resync()->since == first);
  CHECK(store.resync()->reason == ResyncReason::kOverflow);
  // A storm of them is not written.
  const auto log = store.dir / "state" / "store.db-wal";
  const auto written = std::filesystem::file_size(log);
  store.clock.advance(seconds(1));
  for (int i = 0; i < 500; ++i) CHECK(store.refuse() == ErrorCode::kOverloaded);
  CHECK(std::filesystem::file_size(log) == written);
  CHECK(store.resync()->since == first);
  CHECK(store.told == Told{"pc-1 overflow"});
  // What was sent before says nothing of what was refused.
  store.move_to(sent, PushState::kAcked);
  CHECK(store.needed());
  store.move_to(store.add_one(), PushState::kAcked);
  CHECK_FALSE(store.needed());
}

TEST_CASE("resync: one that is refused after the one that would make up for all is missed too") {
  ResyncStore store({.pending_per_device = 2});
  store.add_lost();
  store.add_question();
  const auto after = store.add_one();
  store.move_to(after, PushState::kSent);
  CHECK(store.refuse() == ErrorCode::kOverloaded);
  store.move_to(after, PushState::kAcked);
  CHECK(store.needed());
  CHECK(store.resync()->reason == ResyncReason::kExpired);
}

TEST_CASE("resync: what is refused is missed whatever way it came") {
  ResyncStore store({.pending_per_device = 1});
  store.add_question();
  SUBCASE("with an idempotency key, which may be used again") {
    const IdempotencyKey key{"key", "request"};
    const auto once = [&] {
      std::promise<Result<OncePush>> answer;
      store->add_push_once(push_to("pc-1", store.clock), key,
                           [&](Result<OncePush> push) { answer.set_value(std::move(push)); });
      return answer.get_future().get();
    };
    CHECK(once().error().code == ErrorCode::kOverloaded);
    CHECK(store.needed());
    store.pass(hours(1));
    CHECK_FALSE(once().value().replayed);
  }
  SUBCASE("among many") {
    std::promise<Result<Store::PushResults>> answer;
    store->add_pushes({push_to("pc-1", store.clock), push_to("pc-2", store.clock)}, nullptr,
                      [&](Result<Store::PushResults> all) { answer.set_value(std::move(all)); });
    const auto all = answer.get_future().get().value();
    CHECK(all[0].error().code == ErrorCode::kOverloaded);
    CHECK(all[1].has_value());
    CHECK(store.needed());
  }
  CHECK_FALSE(store.resync("pc-2").has_value());
}

TEST_CASE("resync: a full database has devices miss what it refuses") {
  ResyncStore store({.database_bytes = 1});
  CHECK(store.refuse("ping") == ErrorCode::kOverloaded);
  CHECK_FALSE(store.needed());
  CHECK(store.refuse() == ErrorCode::kOverloaded);
  CHECK(store.resync()->reason == ResyncReason::kOverflow);
  CHECK(add(*store, push_to("none", store.clock)).error().code == ErrorCode::kNotFound);
}

TEST_CASE("resync: who has missed something is owed one push, and no second one") {
  ResyncStore store({.pending_per_device = 2});
  CHECK_FALSE(store.bring_level().has_value());
  store.add_question();
  store.add_question();
  store.refuse();
  // Beyond the bound: it is for what the bound has cost.
  const auto made = store.bring_level();
  REQUIRE(made.has_value());
  CHECK_FALSE(store.bring_level().has_value());
  SUBCASE("it is level with it") {
    store.move_to(*made, PushState::kAcked);
    CHECK_FALSE(store.needed());
    CHECK_FALSE(store.bring_level().has_value());
  }
  SUBCASE("one that ended the connections is not sent again") {
    store.move_to(*made, PushState::kUndeliverable);
    CHECK(store.needed());
    CHECK_FALSE(store.bring_level().has_value());
  }
  SUBCASE("one that expired is missed as others are") {
    store.pass(minutes(15));
    CHECK(store.bring_level().has_value());
  }
}

TEST_CASE("resync: those that need it are counted") {
  ResyncStore store;
  store.add_one("pc-2");
  store.add_lost();
  CHECK(store->usage()->resyncs == 2);
  REQUIRE(store->remove_device(device("pc-2")).has_value());
  store.clock.advance(minutes(1));
  CHECK(store->usage()->resyncs == 1);
}

}  // namespace kscpush::server

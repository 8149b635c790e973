// What the store keeps beside devices and pushes: keys of requests, ends of connections; and whom
// it tells of changes.
#include "server/store/database.hpp"
#include "server/store/last_seen.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

struct Once : TestStore {
  Once() {
    for (const char* id : {"pc-1", "pc-2"}) {
      REQUIRE(store->add_device({device(id), "Managed devices"}).has_value());
    }
  }
  Result<OncePush> add(const std::string& key, const std::string& request) const {
    std::promise<Result<OncePush>> answer;
    store->add_push_once(push_to("pc-1", clock), IdempotencyKey::make(key, request).value(),
                         [&](Result<OncePush> push) { answer.set_value(std::move(push)); });
    return answer.get_future().get();
  }
};

Disconnect end_at(std::int64_t ms, mqtt::EndReason reason = mqtt::EndReason::kTakenOver) {
  return {WallTime(std::chrono::milliseconds(ms)), reason};
}

}  // namespace

TEST_CASE("idempotency: a key makes one push, also over a restart, for 48 hours") {
  Once store;
  const auto first = store.add("key", "request").value();
  CHECK_FALSE(first.replayed);
  const auto again = store.add("key", "request").value();
  CHECK(again.replayed);
  CHECK(again.push.id == first.push.id);
  CHECK(store.add("key", "another").error().code == ErrorCode::kConflict);
  CHECK(store.add("key", "another").error().field == "Idempotency-Key");
  CHECK_FALSE(store.add("other", "request")->replayed);
  store.reopen();
  CHECK(store.add("key", "request")->replayed);
  CHECK(store->find_key(IdempotencyKey::make("key", "request").value()) == first.push.id.str());
  store.clock.advance(kMaxTtl);
  CHECK_FALSE(store->find_key(IdempotencyKey::make("key", "another").value())->has_value());
  CHECK_FALSE(store.add("key", "another")->replayed);
}

TEST_CASE("idempotency: a push that is refused leaves no key") {
  Once store;
  std::promise<Result<OncePush>> answer;
  store->add_push_once(push_to("none", store.clock), IdempotencyKey::make("key", "a").value(),
                       [&](Result<OncePush> push) { answer.set_value(std::move(push)); });
  CHECK(answer.get_future().get().error().code == ErrorCode::kNotFound);
  CHECK_FALSE(store.add("key", "b")->replayed);
}

TEST_CASE("idempotency: a key whose push is gone does not make another one") {
  Once store;
  REQUIRE(store.add("key", "request").has_value());
  REQUIRE(store->remove_device(device("pc-1")).has_value());
  REQUIRE(store->add_device({device("pc-1"), "Managed devices"}).has_value());
  CHECK(store.add("key", "request").error().code == ErrorCode::kConflict);
}

TEST_CASE("idempotency: keys past their time are dropped") {
  Once store;
  for (int i = 0; i < 1500; ++i) {
    store->add_push_once(push_to("pc-1", store.clock, seconds(0)),
                         IdempotencyKey::make("key-" + std::to_string(i), "r").value(),
                         [](const auto&) {});
  }
  store->drain();
  store.clock.advance(kMaxTtl);
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  store.reopen();
  auto database = Database::open(store.dir / "state" / "store.db", Database::Access::kReadOnly);
  REQUIRE(database.has_value());
  CHECK(database->number("SELECT count(*) FROM idempotency_keys").value() == 0);
}

TEST_CASE("idempotency: a key has 1 to 128 visible characters") {
  for (const std::string& good :
       {std::string("k"), std::string(128, 'k'), std::string("a/b:c~!")}) {
    CHECK(IdempotencyKey::make(good, "").has_value());
  }
  for (const std::string& bad : {std::string(), std::string(129, 'k'), std::string("a b"),
                                 std::string("a\x7f"), std::string("\xff")}) {
    CHECK(IdempotencyKey::make(bad, "").error().code == ErrorCode::kUsage);
  }
}

TEST_CASE("disconnects: the last ten, newest first, ahead of the disk and over a restart") {
  Once store;
  std::vector<Disconnect> newest_first;
  for (int i = 0; i < 15; ++i) {
    const Disconnect end = end_at(1000 + i, mqtt::EndReason(i % 12));
    store->note_disconnect(device("pc-1"), end);
    newest_first.insert(newest_first.begin(), end);
    // Some are written apart, some together.
    if (i == 3) store.reopen();
  }
  newest_first.resize(10);
  CHECK(store->disconnects(device("pc-1")) == newest_first);
  store.reopen();
  CHECK(store->disconnects(device("pc-1")) == newest_first);
  CHECK(store->disconnects(device("pc-2"))->empty());
  CHECK(store->disconnects(device("none"))->empty());
  CHECK(store->find_device(device("pc-1")).value()->last_seen == newest_first[0].at);
}

TEST_CASE("disconnects: those that come between the look and the write are written once") {
  LastSeen seen(10);
  seen.note_end(device("pc-1"), end_at(1));
  const auto first = seen.some(10);
  REQUIRE(first.size() == 1);
  seen.note_end(device("pc-1"), end_at(2));
  seen.written(first);
  const auto second = seen.some(10);
  REQUIRE(second.size() == 1);
  CHECK(decode_disconnects(second[0].ends) == std::vector{end_at(2)});
  seen.written(second);
  CHECK(seen.size() == 0);
}

TEST_CASE("disconnects: what is damaged is left out") {
  const std::string good = encode(end_at(1234567890123));
  CHECK(good.size() == kDisconnectBytes);
  CHECK(decode_disconnects(good + std::string(15, 'x') + good).size() == 2);
  CHECK(decode_disconnects(good.substr(1)).empty());
  CHECK(decode_disconnects(good.substr(0, 13) + "99").empty());
  CHECK(encode(end_at(-5)).size() == kDisconnectBytes);
}

TEST_CASE("watch: what a commit changed is told, before the callbacks, and failures are not") {
  Once store;
  std::mutex mutex;
  std::vector<std::string> seen;
  store->watch([&](const StoreChanges& changes) {
    const std::scoped_lock lock(mutex);
    for (const PushChange& change : changes.pushes) {
      seen.push_back(fmt::format("{} {}", change.seq, to_string(change.state)));
    }
  });
  const auto told = [&] {
    const std::scoped_lock lock(mutex);
    return std::exchange(seen, {});
  };
  using Told = std::vector<std::string>;
  auto keyed = push_to("pc-1", store.clock);
  keyed.collapse_key = "key";
  const auto first = add(*store, keyed).value();
  CHECK(told() == Told{"1 stored"});
  keyed.id = Ulid::generate(store.clock.wall());
  REQUIRE(add(*store, keyed).has_value());
  CHECK(told() == Told{"1 superseded", "2 stored"});
  CHECK_FALSE(add(*store, push_to("none", store.clock)).has_value());
  REQUIRE(step(*store, {2, PushState::kSent, {}, 1}).has_value());
  REQUIRE(step(*store, {2, PushState::kSent, {}, 2}).has_value());  // only counts
  REQUIRE(step(*store, {2, PushState::kStored, {}}).has_value());   // too late
  CHECK_FALSE(cancel(*store, keyed.id).has_value());
  CHECK(told() == Told{"2 sent"});
  const auto third = add(*store, push_to("pc-2", store.clock)).value();
  REQUIRE(cancel(*store, third.id).has_value());
  CHECK(told() == Told{"3 stored", "3 cancelled"});
  store.clock.advance(hours(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(told() == Told{"2 expired"});
}

TEST_CASE("push: listed by state and kind, a page at a time") {
  Once store;
  for (int i = 0; i < 6; ++i) {
    auto push = push_to(i % 2 == 0 ? "pc-1" : "pc-2", store.clock);
    if (i % 3 == 0) push.kind = "ping";
    REQUIRE(add(*store, push).has_value());
  }
  REQUIRE(step(*store, {1, PushState::kCompleted, {}}).has_value());
  const auto list = [&](const PushFilter& filter, std::int64_t before = 0, std::size_t limit = 10) {
    const auto page = store->list_pushes(filter, before, limit).value();
    std::vector<std::int64_t> seqs;
    for (const PushRecord& push : page.pushes) seqs.push_back(push.seq);
    if (page.next != 0) seqs.push_back(-page.next);
    return seqs;
  };
  using Seqs = std::vector<std::int64_t>;
  CHECK(list({}) == Seqs{6, 5, 4, 3, 2, 1});
  CHECK(list({}, 0, 2) == Seqs{6, 5, -5});
  CHECK(list({}, 5, 2) == Seqs{4, 3, -3});
  CHECK(list({.kind = "ping"}) == Seqs{4, 1});
  CHECK(list({.state = PushState::kCompleted}) == Seqs{1});
  CHECK(list({.device = device("pc-1"), .kind = "sync"}) == Seqs{5, 3});
  CHECK(list({.device = device("pc-1"), .state = PushState::kCompleted}) == Seqs{1});
  CHECK(list({.device = device("none")}).empty());
}

}  // namespace kscpush::server

// The ends of pushes that nobody brings about: time, and a server that was killed.
#include <doctest/doctest.h>

#include "tests/support/net/faulty_vfs.hpp"
#include "tests/unit/server/push_store.hpp"

namespace kscpush::server {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("perhaps sent: what there is when the store was not closed, and from then on") {
  PushStore store;
  const auto before = store.add_one();
  CHECK(store->perhaps_sent() == 0);
  store.reopen();
  CHECK(store->perhaps_sent() == 0);
  // As a kill leaves it: the database with its log.
  std::filesystem::copy(store.dir / "state", store.dir / "killed");
  {
    const auto killed = Store::open(store.dir / "killed", store.clock);
    REQUIRE(killed.has_value());
    CHECK((*killed)->perhaps_sent() == before.seq);
    CHECK(add(**killed, push_to("pc-1", store.clock))->seq > before.seq);
  }
  // Closed in good order, it still does not know.
  CHECK(Store::open(store.dir / "killed", store.clock).value()->perhaps_sent() == before.seq);
}

TEST_CASE("perhaps sent: also when the disk did not take a step to the end") {
  test::FaultyVfs disk;
  PushStore store;
  const auto push = store.add_one();
  disk.fail_writes(SQLITE_FULL);
  CHECK_FALSE(
      step(*store, {push.seq, PushState::kSent, store.clock.wall(), 1, "", ""}).has_value());
  SUBCASE("the disk stays full") {
    store.store.reset();
    disk.recover();
  }
  SUBCASE("there is room again, but the step is lost") {
    disk.recover();
    store.store.reset();
  }
  store.open();
  CHECK(store->perhaps_sent() == push.seq);
}

TEST_CASE("expire: what is past its time to live ends, and says how far it came") {
  PushStore store;
  const auto unsent = store.add_one();
  const auto sent = store.add_one();
  const auto acked = store.add_one();
  const auto longer = store.add_one("pc-1", hours(1));
  store.move_to(sent, PushState::kSent);
  store.move_to(acked, PushState::kAcked);
  store.clock.advance(minutes(15) - seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(find(*store, unsent).state == PushState::kStored);
  store.clock.advance(seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(find(*store, unsent).state == PushState::kExpired);
  CHECK(find(*store, unsent).reason == "not sent within its time to live");
  CHECK(reached(find(*store, unsent), PushState::kExpired) == store.clock.wall());
  CHECK(find(*store, sent).state == PushState::kExpired);
  CHECK(find(*store, sent).reason == "sent, but not acknowledged within its time to live");
  CHECK(find(*store, acked).state == PushState::kAcked);
  CHECK(find(*store, longer).state == PushState::kStored);
}

TEST_CASE("expire: reads show at once what has ended, with the time and reason of the sweep") {
  PushStore store;
  const auto unsent = store.add_one();
  const auto sent = store.add_one();
  const auto acked = store.add_one();
  store.move_to(sent, PushState::kSent);
  store.move_to(acked, PushState::kAcked);
  store.clock.advance(minutes(15) - std::chrono::milliseconds(1));
  CHECK(find(*store, unsent).state == PushState::kStored);
  store.clock.advance(std::chrono::milliseconds(1));
  const WallTime end = store.clock.wall();
  const auto check = [&] {
    const auto listed = store->list_pushes({.device = device("pc-1")}, 0, 10).value().pushes;
    REQUIRE(listed.size() == 3);
    for (const PushRecord& push : {find(*store, unsent), listed[2]}) {
      CHECK(push.state == PushState::kExpired);
      CHECK(push.reason == "not sent within its time to live");
      CHECK(reached(push, PushState::kExpired) == end);
    }
    for (const PushRecord& push : {find(*store, sent), listed[1]}) {
      CHECK(push.state == PushState::kExpired);
      CHECK(push.reason == "sent, but not acknowledged within its time to live");
      CHECK(reached(push, PushState::kExpired) == end);
    }
    CHECK(find(*store, acked).state == PushState::kAcked);
  };
  check();
  store.clock.advance(seconds(59));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  check();
  store.clock.advance(hours(48));
  CHECK(find(*store, acked).reason == "acknowledged, but not answered in time");
}

TEST_CASE("expire: what has been shown as ended stays so, whatever comes before the sweep") {
  PushStore store;
  const auto late = store.add_one();
  PushRecord keyed = push_to("pc-1", store.clock);
  keyed.collapse_key = "k";
  const auto first = add(*store, keyed).value();
  store.move_to(late, PushState::kSent);
  store.clock.advance(minutes(15));
  store.move_to(late, PushState::kAcked);
  store.move_to(late, PushState::kCompleted);
  CHECK(find(*store, late).state == PushState::kExpired);
  CHECK(reached(find(*store, late), PushState::kAcked) == store.clock.wall());
  keyed.id = Ulid::generate(store.clock.wall());
  keyed.expires = store.clock.wall() + minutes(15);
  REQUIRE(add(*store, keyed).has_value());
  CHECK(find(*store, first).state == PushState::kExpired);
  CHECK(cancel(*store, first.id).error().code == ErrorCode::kConflict);
}

TEST_CASE("store: a push that is sent, though nobody has told yet, is not replaced") {
  PushStore store;
  PushRecord keyed = push_to("pc-1", store.clock);
  keyed.collapse_key = "k";
  const auto first = add(*store, keyed).value();
  const PushStep sent{first.seq, PushState::kSent, store.clock.wall(), 1};
  REQUIRE(store->sent_ahead(sent));
  store.clock.advance(seconds(1));
  keyed.id = Ulid::generate(store.clock.wall());
  const auto second = add(*store, keyed).value();
  CHECK(find(*store, first).state == PushState::kSent);
  CHECK(reached(find(*store, first), PushState::kSent) == sent.at);
  CHECK(find(*store, first).attempts == 1);
  // The second waits, and is replaced.
  REQUIRE(step(*store, sent).has_value());
  keyed.id = Ulid::generate(store.clock.wall());
  REQUIRE(add(*store, keyed).has_value());
  CHECK(find(*store, first).state == PushState::kSent);
  CHECK(find(*store, second).state == PushState::kSuperseded);
}

TEST_CASE("store: a sending and what followed it are one step") {
  PushStore store;
  const auto push = store.add_one();
  PushStep acked{push.seq, PushState::kAcked, store.clock.wall() + seconds(2), 3};
  acked.sent = store.clock.wall() + seconds(1);
  REQUIRE(step(*store, acked).has_value());
  const auto now = find(*store, push);
  CHECK(now.state == PushState::kAcked);
  CHECK(now.attempts == 3);
  CHECK(reached(now, PushState::kSent) == *acked.sent);
  CHECK(reached(now, PushState::kAcked) == acked.at);
}

TEST_CASE("expire: a device may work on a push beyond its time to live, but not for ever") {
  PushStore store;
  const auto acked = store.add_one();
  const auto started = store.add_one();
  store.move_to(acked, PushState::kAcked);
  store.move_to(started, PushState::kStarted);
  store.clock.advance(minutes(15) + hours(48) - seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  store.move_to(started, PushState::kCompleted);
  store.clock.advance(seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(find(*store, started).state == PushState::kCompleted);
  CHECK(find(*store, acked).state == PushState::kExpired);
  CHECK(find(*store, acked).reason == "acknowledged, but not answered in time");
}

TEST_CASE("expire: history goes when its time is over") {
  PushStore store({.pending_per_device = 5000, .keep_history = hours(24)});
  const auto completed = store.add_one("pc-1", hours(48));
  const auto waiting = store.add_one("pc-1", hours(48));
  store.move_to(completed, PushState::kCompleted);
  store.clock.advance(hours(24) - seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(find(*store, completed).state == PushState::kCompleted);
  store.clock.advance(seconds(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK_FALSE(store->find_push(completed.id)->has_value());
  CHECK(find(*store, waiting).state == PushState::kStored);
}

TEST_CASE("expire: more than one group's worth") {
  PushStore store({.pending_per_device = 5000});
  std::promise<void> last;
  for (int i = 0; i < 2500; ++i) {
    store->add_push(push_to("pc-1", store.clock), [&last, i](const Result<PushRecord>& stored) {
      CHECK(stored.has_value());
      if (i == 2499) last.set_value();
    });
  }
  last.get_future().get();
  store.clock.advance(hours(1));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  std::size_t expired = 0;
  const auto pushes = store->list_pushes({.device = device("pc-1")}, 0, 5000).value().pushes;
  for (const auto& push : pushes) {
    expired += push.state == PushState::kExpired ? 1 : 0;
  }
  CHECK(expired == 2500);
}

TEST_CASE("expire: a wall clock that is set back ends nothing") {
  PushStore store;
  const auto push = store.add_one();
  store.clock.set_wall(store.clock.wall() - hours(24 * 365));
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK(find(*store, push).state == PushState::kStored);
  CHECK(store.waiting().size() == 1);
}

}  // namespace kscpush::server

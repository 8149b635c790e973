#include <doctest/doctest.h>

#include "tests/unit/server/push_store.hpp"

namespace kscpush::server {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("push: stored as given, with its times, also after a restart") {
  PushStore store;
  PushRecord push = push_to("pc-1", store.clock);
  push.kind = "task.start";
  push.params = R"({"task":"ü\u0000"})";
  push.collapse_key = "key";
  const WallTime accepted = store.clock.wall() - seconds(1);
  push.reached[0] = accepted;
  const PushRecord stored = add(*store, push).value();
  CHECK(stored.seq > 0);
  CHECK(stored.state == PushState::kStored);
  store.reopen();
  const PushRecord found = find(*store, stored);
  CHECK(found.seq == stored.seq);
  CHECK(found.id == push.id);
  CHECK(found.device == push.device);
  CHECK(found.kind == "task.start");
  CHECK(found.params == push.params);
  CHECK(found.collapse_key == "key");
  CHECK(found.state == PushState::kStored);
  CHECK(found.attempts == 0);
  CHECK(found.expires == push.expires);
  CHECK(reached(found, PushState::kAccepted) == accepted);
  CHECK(reached(found, PushState::kStored) == store.clock.wall());
  CHECK_FALSE(reached(found, PushState::kSent).has_value());
}

TEST_CASE("push: the caller cannot invent a life for it") {
  PushStore store;
  PushRecord push = push_to("pc-1", store.clock);
  push.seq = 4711;
  push.state = PushState::kCompleted;
  push.attempts = 3;
  push.reason = "r";
  push.result = "x";
  push.reached[5] = store.clock.wall();
  const PushRecord stored = add(*store, push).value();
  for (const PushRecord& seen : {stored, find(*store, stored)}) {
    CHECK(seen.seq != 4711);
    CHECK(seen.state == PushState::kStored);
    CHECK(seen.attempts == 0);
    CHECK(seen.reason.empty());
    CHECK(seen.result.empty());
    CHECK_FALSE(reached(seen, PushState::kCompleted).has_value());
  }
}

TEST_CASE("push: numbers ascend in order of acceptance and are never used again") {
  PushStore store;
  const auto first = store.add_one();
  const auto second = store.add_one();
  CHECK(second.seq > first.seq);
  REQUIRE(store->remove_device(device("pc-1")).has_value());
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  store.reopen();
  CHECK(store.add_one().seq > second.seq);
}

TEST_CASE("push: refused for devices that are unknown or revoked, and for an id used before") {
  PushStore store;
  CHECK(add(*store, push_to("none", store.clock)).error().code == ErrorCode::kNotFound);
  REQUIRE(store->change_device(device("pc-2"), {.revoked = true}).has_value());
  CHECK(add(*store, push_to("pc-2", store.clock)).error().code == ErrorCode::kDenied);
  const PushRecord push = push_to("pc-1", store.clock);
  REQUIRE(add(*store, push).has_value());
  CHECK(add(*store, push).error().code == ErrorCode::kConflict);
  CHECK(store.waiting().size() == 1);
}

TEST_CASE("push: bounds on parameters, on what waits per device and on the whole") {
  PushStore store({.pending_per_device = 3, .params_bytes = 100});
  PushRecord large = push_to("pc-1", store.clock);
  large.params = std::string(101, 'x');
  CHECK(add(*store, large).error().code == ErrorCode::kTooLarge);
  const auto first = store.add_one("pc-1", seconds(60));
  store.add_one();
  store.add_one();
  const auto refused = add(*store, push_to("pc-1", store.clock));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kOverloaded);
  CHECK(refused.error().message == "3 pushes wait for device 'pc-1' already");
  CHECK(add(*store, push_to("pc-2", store.clock)).has_value());
  // What is expired, but not swept yet, does not count.
  store.clock.advance(seconds(60));
  CHECK(add(*store, push_to("pc-1", store.clock)).has_value());
  CHECK(find(*store, first).state == PushState::kExpired);
}

TEST_CASE("push: a database at its limit takes no more, drops old history and goes on") {
  PushStore store({.pending_per_device = 10'000, .database_bytes = 1 << 20});
  std::vector<PushRecord> pushes;
  for (;;) {
    PushRecord push = push_to("pc-1", store.clock, hours(48));
    push.params = std::string(20'000, 'x');
    const auto stored = add(*store, push);
    if (!stored) {
      CHECK(stored.error().code == ErrorCode::kOverloaded);
      break;
    }
    pushes.push_back(*stored);
    REQUIRE(pushes.size() < 100);
  }
  REQUIRE(pushes.size() > 40);
  for (std::size_t i = 0; i < 20; ++i) store.move_to(pushes[i], PushState::kCompleted);
  REQUIRE(expire(*store, store.clock.wall()).has_value());
  CHECK_FALSE(store->find_push(pushes[0].id)->has_value());
  CHECK(find(*store, pushes[20]).state == PushState::kStored);
  CHECK(store.add_one().state == PushState::kStored);
}

TEST_CASE("push: pending are neither acknowledged nor final nor expired, oldest first") {
  PushStore store;
  std::vector<PushRecord> pushes;
  pushes.reserve(12);
  for (int i = 0; i < 12; ++i) pushes.push_back(store.add_one());
  const auto brief = store.add_one("pc-1", seconds(1));
  const auto other = store.add_one("pc-2");
  for (std::size_t i = 2; i < 12; ++i) store.move_to(pushes[i], PushState(i));
  store.clock.advance(seconds(1));
  CHECK(store.waiting() == std::vector<std::int64_t>{pushes[0].seq, pushes[1].seq, pushes[2].seq});
  CHECK(store.waiting("pc-1", pushes[0].seq, 1) == std::vector<std::int64_t>{pushes[1].seq});
  CHECK(store.waiting("pc-1", pushes[2].seq).empty());
  CHECK(store.waiting("pc-2") == std::vector<std::int64_t>{other.seq});
  CHECK(find(*store, brief).state == PushState::kExpired);
}

TEST_CASE("push: history is listed newest first, in pages, whatever the state") {
  PushStore store;
  std::vector<std::int64_t> newest_first;
  for (int i = 0; i < 9; ++i) {
    const auto push = store.add_one();
    if (i % 2 == 0) store.move_to(push, PushState::kCompleted);
    newest_first.insert(newest_first.begin(), push.seq);
  }
  store.add_one("pc-2");
  CHECK(seqs(all_pushes(*store, "pc-1")) == newest_first);
  CHECK(seqs(all_pushes(*store, "pc-1", 4)) == newest_first);
}

TEST_CASE("step: each state leaves its time, result and reason") {
  PushStore store;
  const auto push = store.add_one();
  const WallTime start = store.clock.wall();
  for (const PushState state : {PushState::kSent, PushState::kAcked, PushState::kStarted}) {
    store.clock.advance(seconds(1));
    store.move_to(push, state);
    CHECK(find(*store, push).state == state);
  }
  store.clock.advance(seconds(1));
  REQUIRE(step(*store, {.seq = push.seq,
                        .state = PushState::kFailed,
                        .at = store.clock.wall(),
                        .reason = "why",
                        .result = R"({"code":5})"})
              .has_value());
  store.reopen();
  const PushRecord found = find(*store, push);
  CHECK(found.state == PushState::kFailed);
  CHECK(found.reason == "why");
  CHECK(found.result == R"({"code":5})");
  CHECK(reached(found, PushState::kSent) == start + seconds(1));
  CHECK(reached(found, PushState::kAcked) == start + seconds(2));
  CHECK(reached(found, PushState::kStarted) == start + seconds(3));
  CHECK_FALSE(reached(found, PushState::kCompleted).has_value());
  CHECK(reached(found, PushState::kFailed) == start + seconds(4));
}

TEST_CASE("step: an answer that overtakes the PUBACK is kept, and so is the PUBACK's time") {
  PushStore store;
  const auto push = store.add_one();
  store.move_to(push, PushState::kSent);
  REQUIRE(step(*store, {.seq = push.seq,
                        .state = PushState::kCompleted,
                        .at = store.clock.wall(),
                        .result = R"({"code":5})"})
              .has_value());
  store.clock.advance(seconds(1));
  const WallTime acked = store.clock.wall();
  store.move_to(push, PushState::kAcked);
  store.clock.advance(seconds(1));
  store.move_to(push, PushState::kAcked);
  const PushRecord found = find(*store, push);
  CHECK(found.state == PushState::kCompleted);
  CHECK(found.result == R"({"code":5})");
  CHECK(reached(found, PushState::kAcked) == acked);
  CHECK_FALSE(reached(found, PushState::kStarted).has_value());
}

TEST_CASE("step: a step that comes after an end fills in its time, another end does not") {
  PushStore store;
  const auto push = store.add_one();
  store.move_to(push, PushState::kExpired);
  store.move_to(push, PushState::kAcked);
  store.move_to(push, PushState::kFailed);
  store.move_to(push, PushState::kCompleted);
  const PushRecord found = find(*store, push);
  CHECK(found.state == PushState::kExpired);
  CHECK(reached(found, PushState::kAcked).has_value());
  CHECK_FALSE(reached(found, PushState::kFailed).has_value());
  CHECK_FALSE(reached(found, PushState::kCompleted).has_value());
}

TEST_CASE("step: in every state, exactly what may follow does") {
  PushStore store({.pending_per_device = 1000});
  for (std::size_t from = 1; from < kPushStates; ++from) {
    for (std::size_t to = 0; to < kPushStates; ++to) {
      CAPTURE(from);
      CAPTURE(to);
      const auto push = store.add_one();
      if (from > 1) store.move_to(push, PushState(from));
      store.move_to(push, PushState(to));
      const bool follows = may_follow(PushState(from), PushState(to));
      CHECK(find(*store, push).state == PushState(follows ? to : from));
    }
  }
}

TEST_CASE("step: sending again counts the attempts and tells the time of the last") {
  PushStore store;
  const auto push = store.add_one();
  const auto send = [&](int attempts) {
    return step(*store, {.seq = push.seq,
                         .state = PushState::kSent,
                         .at = store.clock.wall(),
                         .attempts = attempts});
  };
  REQUIRE(send(1).has_value());
  CHECK(find(*store, push).attempts == 1);
  store.clock.advance(seconds(1));
  REQUIRE(send(2).has_value());
  REQUIRE(send(1).has_value());
  CHECK(find(*store, push).attempts == 2);
  const WallTime sent = store.clock.wall();
  CHECK(reached(find(*store, push), PushState::kSent) == sent);
  store.move_to(push, PushState::kAcked);
  store.clock.advance(seconds(1));
  REQUIRE(send(3).has_value());
  CHECK(reached(find(*store, push), PushState::kSent) == sent);
  CHECK(find(*store, push).attempts == 3);
  CHECK(find(*store, push).state == PushState::kAcked);
}

TEST_CASE("step: those that come together are written together, and each is told of") {
  TestStore store;
  std::vector<PushState> seen;
  store->watch([&](const StoreChanges& changes) {
    for (const PushChange& change : changes.pushes) {
      if (change.from) CHECK(change.from == (seen.empty() ? PushState::kStored : seen.back()));
      if (change.from) seen.push_back(change.state);
    }
  });
  REQUIRE(store->add_device({.id = device("pc-1"), .group = "Managed devices"}).has_value());
  const auto push = add(*store, push_to("pc-1", store.clock)).value();
  // The writer is kept busy until all steps wait.
  std::promise<void> busy;
  std::promise<void> go_on;
  store->add_push(push_to("pc-1", store.clock), [&](const Result<PushRecord>&) {
    busy.set_value();
    go_on.get_future().wait();
  });
  busy.get_future().wait();
  std::vector<ErrorCode> failed;
  const auto post = [&](std::int64_t seq, PushState state, int attempts) {
    store->step({seq, state, store.clock.wall(), attempts, "", ""},
                std::make_shared<StepTold>([&](const Status& done) {
                  if (!done) failed.push_back(done.error().code);
                }));
    store.clock.advance(seconds(1));
  };
  const WallTime start = store.clock.wall();
  post(push.seq, PushState::kSent, 1);
  post(push.seq, PushState::kSent, 2);
  post(4711, PushState::kSent, 1);
  post(push.seq, PushState::kAcked, 0);
  post(push.seq, PushState::kSent, 3);
  post(push.seq, PushState::kCompleted, 0);
  CHECK(store->queued_changes() >= 6);
  go_on.set_value();
  store->drain();
  CHECK(seen == std::vector{PushState::kSent, PushState::kAcked, PushState::kCompleted});
  CHECK(failed == std::vector{ErrorCode::kNotFound});
  const PushRecord found = find(*store, push);
  CHECK(found.state == PushState::kCompleted);
  CHECK(found.attempts == 3);
  CHECK(reached(found, PushState::kSent) == start + seconds(1));
  CHECK(reached(found, PushState::kAcked) == start + seconds(3));
  CHECK(reached(found, PushState::kCompleted) == start + seconds(5));
}

TEST_CASE("step: of a push that is gone is an error without consequences") {
  PushStore store;
  CHECK(step(*store, {.seq = 4711, .at = store.clock.wall()}).error().code == ErrorCode::kNotFound);
  store->step({.seq = 4711, .at = store.clock.wall()});
  CHECK(store.add_one().state == PushState::kStored);
}

TEST_CASE("cancel: certain before it is sent, refused after") {
  PushStore store;
  const auto push = store.add_one();
  const PushRecord cancelled = cancel(*store, push.id, "asked for by anna").value();
  CHECK(cancelled.state == PushState::kCancelled);
  CHECK(cancelled.reason == "asked for by anna");
  CHECK(reached(cancelled, PushState::kCancelled) == store.clock.wall());
  CHECK(store.waiting().empty());
  CHECK(cancel(*store, push.id).error().message ==
        fmt::format("push {} is cancelled already and cannot be cancelled", push.id.str()));
  for (const PushState state : {PushState::kSent, PushState::kAcked, PushState::kCompleted}) {
    const auto other = store.add_one();
    store.move_to(other, state);
    const auto refused = cancel(*store, other.id);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK(find(*store, other).state == state);
  }
  CHECK(cancel(*store, Ulid::generate(store.clock.wall())).error().code == ErrorCode::kNotFound);
}

TEST_CASE("collapse: replaces what is not sent, of the same device and key") {
  PushStore store;
  const auto keyed = [&](std::string_view id, std::string key) {
    PushRecord push = push_to(id, store.clock);
    push.collapse_key = std::move(key);
    return add(*store, push).value();
  };
  const auto sent = keyed("pc-1", "sync");
  store.move_to(sent, PushState::kSent);
  const auto older = keyed("pc-1", "sync");
  const auto other_key = keyed("pc-1", "other");
  const auto other_device = keyed("pc-2", "sync");
  const auto no_key = keyed("pc-1", "");
  const auto newer = keyed("pc-1", "sync");
  const auto none = keyed("pc-1", "");
  CHECK(find(*store, older).state == PushState::kSuperseded);
  CHECK(find(*store, older).reason == fmt::format("replaced by {}", newer.id.str()));
  CHECK(reached(find(*store, older), PushState::kSuperseded) == store.clock.wall());
  for (const auto& kept : {other_key, other_device, no_key, newer, none}) {
    CHECK(find(*store, kept).state == PushState::kStored);
  }
  CHECK(find(*store, sent).state == PushState::kSent);
}

TEST_CASE("collapse: makes room at the bound, and is undone when the new push is refused") {
  PushStore store({.pending_per_device = 1});
  PushRecord push = push_to("pc-1", store.clock);
  push.collapse_key = "k";
  const auto first = add(*store, push).value();
  push.id = Ulid::generate(store.clock.wall());
  const auto second = add(*store, push).value();
  CHECK(find(*store, first).state == PushState::kSuperseded);
  push.id = first.id;  // taken
  CHECK(add(*store, push).error().code == ErrorCode::kConflict);
  CHECK(find(*store, second).state == PushState::kStored);
}

}  // namespace kscpush::server

#include "server/events/push_waits.hpp"

#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

// A store whose changes the waits are told of.
struct Waits {
  explicit Waits(std::size_t most = PushWaits::kMost) : waits(*store.store, most) {
    store->watch([this](const StoreChanges& changes) { waits.changed(changes.pushes); });
    REQUIRE(store->add_device({device("pc-1"), "Managed devices"}).has_value());
  }
  ~Waits() {
    store->drain();
    waits.stop();
  }
  Waits(const Waits&) = delete;
  Waits& operator=(const Waits&) = delete;

  std::future<Result<PushRecord>> wait(const Ulid& id, PushState state, Duration timeout) {
    auto promise = std::make_shared<std::promise<Result<PushRecord>>>();
    waits.wait(id, state, timeout,
               [promise](Result<PushRecord> push) { promise->set_value(push); });
    return promise->get_future();
  }

  TestStore store;
  PushWaits waits;
};

PushState state_of(std::future<Result<PushRecord>>& future) {
  auto push = future.get();
  REQUIRE(push.has_value());
  return push->state;
}

}  // namespace

TEST_CASE("waits: each is answered at its own state") {
  Waits rig;
  const auto push = add(*rig.store, push_to("pc-1", rig.store.clock)).value();
  auto acked = rig.wait(push.id, PushState::kAcked, std::chrono::hours(1));
  auto completed = rig.wait(push.id, PushState::kCompleted, std::chrono::hours(1));
  rig.store->step({push.seq, PushState::kSent, {}, 1});
  CHECK(rig.waits.waiting() == 2);
  rig.store->step({push.seq, PushState::kAcked, {}});
  CHECK(state_of(acked) == PushState::kAcked);
  CHECK(rig.waits.waiting() == 1);
  rig.store->step({push.seq, PushState::kFailed, {}});
  CHECK(state_of(completed) == PushState::kFailed);
  auto late = rig.wait(push.id, PushState::kAcked, std::chrono::hours(1));
  CHECK(state_of(late) == PushState::kFailed);
}

TEST_CASE("waits: over when the time is, with the push as it is then") {
  Waits rig;
  const auto push = add(*rig.store, push_to("pc-1", rig.store.clock)).value();
  auto later = rig.wait(push.id, PushState::kAcked, std::chrono::hours(1));
  auto soon = rig.wait(push.id, PushState::kAcked, std::chrono::milliseconds(1));
  CHECK(state_of(soon) == PushState::kStored);
  CHECK(rig.waits.waiting() == 1);
  rig.waits.stop();
  CHECK(state_of(later) == PushState::kStored);
  CHECK(rig.wait(push.id, PushState::kAcked, std::chrono::hours(1)).get().error().code ==
        ErrorCode::kUnreachable);
}

TEST_CASE("waits: a bound, and none for a push that is not there") {
  Waits rig(2);
  const auto push = add(*rig.store, push_to("pc-1", rig.store.clock)).value();
  auto first = rig.wait(push.id, PushState::kAcked, std::chrono::hours(1));
  auto second = rig.wait(push.id, PushState::kAcked, std::chrono::hours(1));
  CHECK(rig.wait(push.id, PushState::kAcked, std::chrono::hours(1)).get().error().code ==
        ErrorCode::kOverloaded);
  const Ulid none = Ulid::generate(rig.store.clock.wall());
  CHECK(rig.wait(none, PushState::kAcked, std::chrono::hours(1)).get().error().code ==
        ErrorCode::kNotFound);
  rig.store->step({push.seq, PushState::kAcked, {}});
  CHECK(state_of(first) == PushState::kAcked);
  CHECK(state_of(second) == PushState::kAcked);
}

TEST_CASE("waits: 10,000 for one push, all answered by one step") {
  Waits rig;
  const auto push = add(*rig.store, push_to("pc-1", rig.store.clock)).value();
  std::atomic<std::size_t> answered = 0;
  std::promise<void> all;
  for (std::size_t i = 0; i < PushWaits::kMost; ++i) {
    rig.waits.wait(push.id, PushState::kAcked, std::chrono::hours(1), [&](const auto& result) {
      CHECK(result.has_value());
      if (++answered == PushWaits::kMost) all.set_value();
    });
  }
  CHECK(rig.waits.waiting() == PushWaits::kMost);
  rig.store->step({push.seq, PushState::kAcked, {}});
  CHECK(all.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  CHECK(rig.waits.waiting() == 0);
}

}  // namespace kscpush::server

// Cancelling: certain before a push is handed to the connection, whatever happens at that moment.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using server::PushRecord;

struct Cancelled {
  int calls = 0;
  Result<PushRecord> result = fail(ErrorCode::kFailed, "not answered yet");
};

// The store does nothing before it is told to.
struct Rig : ShardRig {
  explicit Rig() : ShardRig({.commit = MemoryStore::Commit::kByHand}) {}
  void commit() {
    write_steps();
    store.commit();
    run();
  }
  std::shared_ptr<Cancelled> cancel(const PushRecord& push) {
    auto outcome = std::make_shared<Cancelled>();
    home("pc-1").cancel_push(push.id, "test", [outcome](Result<PushRecord> result) {
      ++outcome->calls;
      outcome->result = std::move(result);
    });
    run();
    return outcome;
  }
};

}  // namespace

TEST_CASE("cancel: a push that is decided on is held back, with those behind it") {
  Rig rig;
  const auto first = rig.store_push();
  const auto second = rig.store_push();
  const auto outcome = rig.cancel(first);
  SimDevice device(rig, {});
  device.connect();
  device.subscribe();
  CHECK(device.received() == Lines{"connack 0", "suback 1"});
  const auto third = rig.push();  // its record comes while the store has not decided
  rig.commit();
  CHECK(outcome->calls == 1);
  REQUIRE(outcome->result.has_value());
  CHECK(outcome->result->state == PushState::kCancelled);
  CHECK(device.received() == Lines{"publish 1 " + shown(second), "publish 2 " + shown(third)});
  rig.commit();
  CHECK(rig.state(first) == PushState::kCancelled);
  CHECK(rig.state(second) == PushState::kSent);
}

TEST_CASE("cancel: a push that was handed to the connection is sent, whatever the disk says yet") {
  Rig rig;
  SimDevice device = online(rig);
  const auto push = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(push)});
  const auto outcome = rig.cancel(push);
  CHECK(rig.store.queued() > 0);
  rig.commit();
  CHECK(outcome->calls == 1);
  CHECK(outcome->result.error().code == ErrorCode::kConflict);
  CHECK(rig.state(push) == PushState::kSent);
}

TEST_CASE("cancel: announced only after it was cancelled, a push is not sent") {
  Rig rig;
  SimDevice device = online(rig);
  const auto push = rig.store_push();
  const auto outcome = rig.cancel(push);
  rig.home("pc-1").offer_pushes({push});
  rig.run();
  rig.commit();
  CHECK(outcome->result.has_value());
  CHECK(device.received().empty());
  CHECK(rig.state(push) == PushState::kCancelled);
}

TEST_CASE("cancel: when it fails the push goes its way") {
  Rig rig;
  SimDevice device = online(rig);
  const auto push = rig.store_push();
  // Asked twice: the second comes too late.
  const auto outcome = rig.cancel(push);
  const auto again = rig.cancel(push);
  rig.commit();
  CHECK(outcome->result.has_value());
  CHECK(again->result.error().code == ErrorCode::kConflict);
  const auto next = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(next)});

  const auto lost = rig.store_push();
  rig.store.set_broken(true);
  CHECK(rig.cancel(lost)->result.error().code == ErrorCode::kFailed);
  rig.store.set_broken(false);
  rig.home("pc-1").offer_pushes({lost});
  rig.run();
  CHECK(device.received() == Lines{"publish 2 " + shown(lost)});
}

TEST_CASE("cancel: while the device is away, and of a push that is not there") {
  Rig rig;
  const auto push = rig.store_push();
  const auto outcome = rig.cancel(push);
  rig.commit();
  CHECK(outcome->result.has_value());
  PushRecord none = push;
  none.id = Ulid::generate(rig.clock.wall());
  CHECK(rig.cancel(none)->result.error().code == ErrorCode::kNotFound);
}

TEST_CASE("events: a shard tells who comes and goes, and why, and the store keeps why") {
  ShardRig rig;
  SimDevice first = online(rig);
  SimDevice second = online(rig);  // takes over
  second.reset();
  std::vector<server::Event> events;
  REQUIRE(rig.context.events.read(0, 10, events));
  Lines lines;
  for (const auto& event : events) {
    lines.push_back(fmt::format("{} {} {}", event.device, static_cast<int>(event.type),
                                mqtt::to_string(event.reason)));
  }
  CHECK(lines == Lines{"pc-1 0 device_disconnected", "pc-1 1 taken_over",
                       "pc-1 0 device_disconnected", "pc-1 1 connection_lost"});
  const auto& ends = rig.store.disconnects();
  REQUIRE(ends.size() == 2);
  CHECK(ends[0].second.reason == mqtt::EndReason::kTakenOver);
  CHECK(ends[1].second.reason == mqtt::EndReason::kConnectionLost);
}

}  // namespace kscpush::test

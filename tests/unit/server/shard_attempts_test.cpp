// Pushes that are sent and not acknowledged: the pause before the next attempt, and what the shard
// knows ahead of the disk.
#include <doctest/doctest.h>

#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::ReasonCode;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array kPauses{seconds(0), seconds(1), seconds(5), seconds(30), seconds(120)};

int attempt_in(const ServerPacket& packet) {
  return decode_push(packet.payload)->attempt;
}

std::vector<ServerPacket> pushes_of(SimDevice& device) {
  auto packets = device.packets();
  std::erase_if(packets, [](const auto& p) { return p.type != mqtt::PacketType::kPublish; });
  return packets;
}

// A device that connects and subscribes; PASS lets time go by before it looks.
std::vector<ServerPacket> visit(ShardRig& rig, const ConnectSpec& spec, Duration pass = {}) {
  SimDevice device(rig, spec);
  device.connect();
  device.subscribe();
  rig.pass(pass);
  auto packets = pushes_of(device);
  device.reset();
  return packets;
}

}  // namespace

TEST_CASE("attempts: a device that reconnects in a tight loop does not use them up") {
  for (const ConnectSpec& spec : {ConnectSpec{}, lasting()}) {
    CAPTURE(spec.clean_start);
    ShardRig rig;
    const auto push = rig.store_push("pc-1", {.ttl = hours(10)});
    std::size_t sent = 0;
    for (int i = 0; i < 90; ++i) {
      sent += visit(rig, spec).size();
      rig.clock.advance(milliseconds(10));
    }
    CHECK(sent == 1);
    CHECK(rig.find(push).attempts == 1);
    CHECK(rig.state(push) == PushState::kSent);
    // Fifty seconds of it: at 0, 1, 6 and 36 s, and the fifth has not come.
    for (int i = 0; i < 500; ++i) {
      sent += visit(rig, spec).size();
      rig.clock.advance(milliseconds(100));
    }
    CHECK(sent == 4);
    CHECK(rig.find(push).attempts == 4);
  }
}

TEST_CASE("attempts: each waits for its pause, counted from the one before") {
  for (const ConnectSpec& spec : {ConnectSpec{}, lasting()}) {
    CAPTURE(spec.clean_start);
    ShardRig rig;
    const auto push = rig.store_push("pc-1", {.ttl = hours(10)});
    for (std::size_t i = 0; i < kPauses.size(); ++i) {
      CAPTURE(i);
      if (i > 0) {
        rig.clock.advance(kPauses[i] - milliseconds(1));
        CHECK(visit(rig, spec).empty());
        rig.clock.advance(milliseconds(1));
      }
      CHECK(visit(rig, spec).size() == 1);
      CHECK(rig.find(push).attempts == static_cast<int>(i) + 1);
      CHECK(rig.find(push).reached[2] == rig.clock.wall());
    }
    CHECK(visit(rig, spec).empty());
    CHECK(rig.state(push) == PushState::kUndeliverable);
    CHECK(rig.find(push).reason == "sent 5 times without an acknowledgement");
  }
}

TEST_CASE("attempts: a connection that lasts gets the push when the pause is over, and only once") {
  ShardRig rig;
  const auto push = rig.store_push();
  REQUIRE(visit(rig, {}).size() == 1);
  SimDevice device = online(rig);
  rig.pass(milliseconds(900));
  CHECK(device.received().empty());
  rig.pass(seconds(1));
  const auto again = device.packets();
  REQUIRE(again.size() == 1);
  CHECK(attempt_in(again[0]) == 2);
  // Never a second time on the same connection.
  rig.pass(seconds(80));
  CHECK(device.received().empty());
  device.ack(again[0].packet_id);
  CHECK(rig.state(push) == PushState::kAcked);
}

TEST_CASE("attempts: a resumed session gets it with DUP and its identifier, in the old order") {
  ShardRig rig;
  SimDevice first = online(rig, lasting());
  const auto a = rig.push();
  const auto b = rig.push();
  REQUIRE(first.packets().size() == 2);
  first.reset();
  SimDevice second(rig, lasting());
  second.connect();
  CHECK(second.received() == Lines{"connack 0 present"});
  const auto c = rig.push();
  CHECK(second.received().empty());
  CHECK(rig.state(c) == PushState::kStored);
  rig.pass(seconds(2));
  CHECK(second.received() ==
        Lines{"publish 1 dup " + shown(a), "publish 2 dup " + shown(b), "publish 3 " + shown(c)});
  CHECK(rig.find(a).attempts == 2);
}

TEST_CASE("attempts: what is acknowledged during the pause is not sent again") {
  ShardRig rig;
  SimDevice first = online(rig, lasting());
  const auto push = rig.push();
  first.reset();
  SimDevice second(rig, lasting());
  second.connect();
  second.ack(1);
  rig.pass(seconds(3));
  CHECK(second.received() == Lines{"connack 0 present"});
  CHECK(rig.state(push) == PushState::kAcked);
  CHECK(rig.find(push).attempts == 1);
}

TEST_CASE("attempts: those behind a push that pauses wait for it, and no longer than it lives") {
  ShardRig rig;
  const auto brief = rig.store_push("pc-1", {.ttl = seconds(60)});
  for (const seconds pause : {seconds(0), seconds(2), seconds(6), seconds(31)}) {
    rig.pass(pause);
    REQUIRE(visit(rig, {}).size() == 1);
  }
  const auto behind = rig.store_push("pc-1", {.ttl = hours(1)});
  SimDevice device = online(rig);
  rig.pass(seconds(10));
  CHECK(device.received().empty());
  rig.pass(seconds(15));
  CHECK(device.received() == Lines{"publish 1 " + shown(behind)});
  CHECK(rig.store.find_push(brief.id).value()->state == PushState::kExpired);
}

TEST_CASE("attempts: a wall clock that is set back by a day makes no pause longer") {
  for (const ConnectSpec& spec : {ConnectSpec{}, lasting()}) {
    CAPTURE(spec.clean_start);
    ShardRig rig;
    const auto push = rig.store_push("pc-1", {.ttl = hours(40)});
    REQUIRE(visit(rig, spec).size() == 1);
    rig.clock.set_wall(rig.clock.wall() - hours(24));
    const auto again = visit(rig, spec, seconds(2));
    CHECK(again.size() == 1);
    CHECK(rig.find(push).attempts == 2);
  }
}

TEST_CASE("attempts: what a killed server may have sent is never called the first") {
  ShardRig rig;
  const auto before = rig.store_push();
  rig.store.crash();
  const auto after = rig.store_push();
  const auto packets = visit(rig, {});
  REQUIRE(packets.size() == 2);
  CHECK(attempt_in(packets[0]) == 2);
  CHECK(attempt_in(packets[1]) == 1);
  CHECK(rig.find(before).attempts == 2);
  CHECK(rig.find(after).attempts == 1);
}

TEST_CASE("attempts: a takeover during the pause keeps to it") {
  ShardRig rig;
  SimDevice first = online(rig, lasting());
  const auto push = rig.push();
  SimDevice second(rig, lasting());
  second.connect();
  SimDevice third(rig, lasting());
  third.connect();
  CHECK(third.received() == Lines{"connack 0 present"});
  rig.pass(seconds(2));
  CHECK(third.received() == Lines{"publish 1 dup " + shown(push)});
  CHECK(rig.find(push).attempts == 2);
}

TEST_CASE("ahead of the disk: an acknowledged push does not come again") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand});
  const auto push = rig.store_push();
  SimDevice first = online(rig);
  rig.write_steps();
  rig.store.commit();
  first.ack(1);
  first.reset();
  rig.clock.advance(minutes(5));
  CHECK(visit(rig, {}).empty());
  CHECK(rig.state(push) == PushState::kSent);  // as far as the disk knows
  rig.store.commit();
  CHECK(rig.state(push) == PushState::kAcked);
  CHECK(visit(rig, {}).empty());
  CHECK(rig.find(push).attempts == 1);
}

TEST_CASE("ahead of the disk: no attempt has the number of the one before") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand});
  rig.store_push("pc-1", {.ttl = hours(10)});
  std::vector<int> attempts;
  for (int i = 0; i < 7; ++i) {
    for (const auto& packet : visit(rig, {})) attempts.push_back(attempt_in(packet));
    rig.clock.advance(minutes(3));
  }
  CHECK(attempts == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("ahead of the disk: neither does one that was answered, refused or given up") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand});
  const auto answered = rig.store_push();
  rig.store_push();
  SimDevice first = online(rig);
  first.publish(answer(answered, "completed"));
  first.send(puback_bytes(first.spec, 2, ReasonCode::kQuotaExceeded));
  first.reset();
  rig.clock.advance(minutes(5));
  CHECK(visit(rig, {}).empty());
}

TEST_CASE("ahead of the disk: what a full disk does not take is written when there is room") {
  ShardRig rig;
  const auto push = rig.store_push();
  rig.store.set_full(true);
  SimDevice device = online(rig);
  device.ack(1);
  device.reset();
  rig.pass(minutes(2));
  CHECK(rig.state(push) == PushState::kStored);
  CHECK(visit(rig, {}).empty());
  CHECK(rig.home("pc-1").step_failures() > 2);
  rig.store.set_full(false);
  rig.pass(seconds(6));
  CHECK(rig.state(push) == PushState::kAcked);
  CHECK(rig.find(push).attempts == 1);
  CHECK(*rig.find(push).reached[3] < rig.clock.wall() - minutes(2));
}

TEST_CASE("ahead of the disk: what a crash takes away is sent again") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand});
  const auto push = rig.store_push();
  {
    SimDevice first = online(rig);
    rig.write_steps();
    rig.store.commit();
    first.ack(1);
    rig.store.crash();
  }
  // The process that comes after it knows what is on disk, and when the push was sent last.
  rig.context.shards.front() = std::make_unique<server::Shard>(0, rig.context);
  CHECK(visit(rig, {}).empty());
  rig.clock.advance(seconds(1));
  const auto again = visit(rig, {});
  REQUIRE(again.size() == 1);
  CHECK(attempt_in(again[0]) == 2);
  CHECK(rig.state(push) == PushState::kSent);
}

}  // namespace kscpush::test

// MQTT 5.0: sessions from connection to connection, in a whole shard.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using std::chrono::seconds;

SimDevice connect(ShardRig& rig, const ConnectSpec& spec) {
  SimDevice device(rig, spec);
  device.connect();
  return device;
}

ConnectSpec resuming(std::uint32_t expiry_s) {
  ConnectSpec spec = lasting("pc-1", expiry_s);
  spec.clean_start = false;
  return spec;
}

}  // namespace

TEST_CASE("[MQTT-3.1.2-4] [MQTT-3.1.4-4] Clean Start 1 discards the session") {
  ShardRig rig;
  online(rig, lasting()).reset();
  ConnectSpec clean = lasting();
  clean.clean_start = true;
  SimDevice device = connect(rig, clean);
  CHECK(device.received() == Lines{"connack 0"});
  CHECK_FALSE(rig.view()->subscribed);
}

TEST_CASE("[MQTT-3.1.2-5] [MQTT-3.1.3-2] [MQTT-3.1.2-23] Clean Start 0 resumes the device's own") {
  ShardRig rig;
  online(rig, lasting()).reset();
  const auto push = rig.push();
  ConnectSpec other = resuming(3600);
  other.id = "pc-2";
  CHECK(connect(rig, other).received() == Lines{"connack 0"});
  SimDevice device = connect(rig, resuming(3600));
  CHECK(device.received() == Lines{"connack 0 present", "publish 1 " + shown(push)});
}

TEST_CASE("[MQTT-3.1.2-6] Clean Start 0 without a session makes a new one") {
  ShardRig rig;
  CHECK(connect(rig, resuming(3600)).received() == Lines{"connack 0"});
  CHECK(connect(rig, resuming(3600)).received() == Lines{"connack 0 present"});
}

TEST_CASE("[MQTT-4.1.0-2] the session is discarded when its expiry has passed, not before") {
  ShardRig rig;
  online(rig, lasting("pc-1", 100)).reset();
  SUBCASE("before") {
    rig.pass(seconds(98));
    CHECK(connect(rig, resuming(100)).received() == Lines{"connack 0 present"});
  }
  SUBCASE("after") {
    rig.pass(seconds(103));
    CHECK(connect(rig, resuming(100)).received() == Lines{"connack 0"});
  }
}

TEST_CASE("regression: [MQTT-4.1.0-2] a session without expiry ends when it is taken over") {
  ShardRig rig;
  ConnectSpec spec;  // Session Expiry Interval 0
  SimDevice old = online(rig, spec);
  const auto push = rig.push();
  CHECK(old.received() == Lines{"publish 1 " + shown(push)});
  spec.clean_start = false;
  SimDevice fresh = connect(rig, spec);
  CHECK(old.received() == Lines{"disconnect 8e"});
  CHECK(fresh.received() == Lines{"connack 0"});
  CHECK_FALSE(rig.view()->subscribed);
  fresh.subscribe();  // the push is no part of the session: it is tried again, after a pause
  CHECK(fresh.received() == Lines{"suback 1"});
  rig.pass(seconds(2));
  CHECK(fresh.received() == Lines{"publish 1 " + shown(push)});
}

TEST_CASE("[MQTT-3.1.4-3] takeover: the device is told 0x8E on its former connection") {
  for (const ConnectSpec& spec : {ConnectSpec{}, lasting()}) {
    ShardRig rig;
    SimDevice old = online(rig, spec);
    SimDevice fresh = connect(rig, spec);
    CHECK(old.received() == Lines{"disconnect 8e"});
    CHECK(old.told_end());
    CHECK_FALSE(fresh.told_end());
    CHECK(fresh.received().size() == 1);
  }
}

TEST_CASE("[MQTT-3.1.2-8] a will with a delay: after the delay, or with the session's end") {
  for (const std::uint32_t expiry : {30U, 600U}) {
    ShardRig rig;
    const auto push = rig.push();
    ConnectSpec spec = lasting("pc-1", expiry);
    spec.will = answer(push, "failed");
    spec.will_delay_s = 60;
    online(rig, spec).reset();
    const seconds due(std::min(expiry, 60U));
    rig.pass(due - seconds(2));
    CHECK(rig.state(push) == PushState::kSent);
    rig.pass(seconds(5));
    CHECK(rig.state(push) == PushState::kFailed);
  }
}

TEST_CASE("[MQTT-4.5.0-1] [MQTT-4.6.0-6] pushes wait for an absent device, in their order") {
  ShardRig rig;
  online(rig, lasting()).reset();
  Lines expected{"connack 0 present"};
  for (int i = 1; i <= 3; ++i) {
    expected.push_back("publish " + std::to_string(i) + " " + shown(rig.push()));
  }
  CHECK(connect(rig, resuming(3600)).received() == expected);
}

TEST_CASE("subscribe_inbox: a session that begins anew has its subscription") {
  ShardRig rig;
  site::DistributionPoint dp = rig.dp;
  dp.push_server.subscribe_inbox = true;
  rig.home("pc-1").use(std::make_shared<const server::ShardSettings>(dp));
  const auto push = rig.push();
  SimDevice device = connect(rig, {});  // and never subscribes
  CHECK(device.received() == Lines{"connack 0", "publish 1 " + shown(push)});
  device.ack(1);
  CHECK(rig.state(push) == PushState::kAcked);
  device.send(unsubscribe_bytes({}));
  static_cast<void>(device.received());
  CHECK_FALSE(rig.view()->subscribed);
  device.subscribe(0);  // its own word counts
  const auto next = rig.push();
  CHECK(device.received() == Lines{"suback 0", "publish " + shown(next)});
}

}  // namespace kscpush::test

// MQTT 3.1.1: sessions, wills and keep alive, in a whole shard.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using std::chrono::seconds;

ConnectSpec v311(bool clean, std::string id = "pc-1") {
  ConnectSpec spec;
  spec.id = std::move(id);
  spec.version = mqtt::Version::kV311;
  spec.clean_start = clean;
  return spec;
}

SimDevice connect(ShardRig& rig, const ConnectSpec& spec) {
  SimDevice device(rig, spec);
  device.connect();
  return device;
}

}  // namespace

TEST_CASE(
    "[MQTT-3.1.2-4 of 3.1.1] [MQTT-3.1.3-2 of 3.1.1] Clean Session 0 resumes the device's own") {
  ShardRig rig;
  SimDevice first = connect(rig, v311(false));
  CHECK(first.received() == Lines{"connack 0"});
  first.subscribe();
  first.reset();
  CHECK(connect(rig, v311(false, "pc-2")).received() == Lines{"connack 0"});
  SimDevice again = connect(rig, v311(false));
  CHECK(again.received() == Lines{"connack 0 present"});
  CHECK(rig.view()->subscribed);
}

TEST_CASE("[MQTT-3.1.2-5 of 3.1.1] [MQTT-4.5.0-1 of 3.1.1] pushes wait for the absent device") {
  ShardRig rig;
  online(rig, v311(false)).reset();
  const auto push = rig.push();
  SimDevice again = connect(rig, v311(false));
  CHECK(again.received() == Lines{"connack 0 present", "publish 1 " + shown(push)});
}

TEST_CASE(
    "[MQTT-3.1.2-6 of 3.1.1] [MQTT-3.1.4-3 of 3.1.1] Clean Session 1 begins and leaves none") {
  ShardRig rig;
  online(rig, v311(false)).reset();
  SimDevice clean = connect(rig, v311(true));
  CHECK(clean.received() == Lines{"connack 0"});
  CHECK_FALSE(rig.view()->subscribed);
  clean.subscribe();
  clean.reset();
  CHECK(connect(rig, v311(false)).received() == Lines{"connack 0"});
  CHECK_FALSE(rig.view()->subscribed);
}

TEST_CASE("regression: [MQTT-3.1.2-6 of 3.1.1] nor when it is taken over") {
  ShardRig rig;
  SimDevice clean = online(rig, v311(true));
  CHECK(connect(rig, v311(false)).received() == Lines{"connack 0"});
  CHECK_FALSE(rig.view()->subscribed);
}

TEST_CASE("[MQTT-3.1.4-2 of 3.1.1] a second connection ends the first") {
  ShardRig rig;
  SimDevice old = online(rig, v311(false));
  SimDevice fresh = connect(rig, v311(false));
  CHECK(old.received().empty());
  CHECK(old.told_end());
  CHECK_FALSE(fresh.told_end());
}

TEST_CASE(
    "[MQTT-3.1.2-8 of 3.1.1] [MQTT-3.1.2-10 of 3.1.1] [MQTT-3.1.2-16 of 3.1.1] the will, once") {
  ShardRig rig;
  const auto push = rig.push();
  ConnectSpec spec = v311(false);
  spec.will = answer(push, "failed");
  SimDevice device = online(rig, spec);
  SUBCASE("lost") {
    device.reset();
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("silent for one and a half keep alives") {
    rig.pass(seconds(93));
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("after a protocol error") {
    device.send(std::string("\xD0\x00", 2));
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("after DISCONNECT not, nor later") {
    device.send(disconnect_bytes(spec));
    rig.pass(seconds(3600));
    CHECK(rig.state(push) == PushState::kSent);
  }
}

TEST_CASE("[MQTT-3.1.2-12 of 3.1.1] without the will flag there is no message") {
  ShardRig rig;
  const auto push = rig.push();
  online(rig, v311(false)).reset();
  CHECK(rig.state(push) == PushState::kSent);
}

TEST_CASE("[MQTT-3.1.2-24 of 3.1.1] silence of one and a half keep alives ends the connection") {
  ShardRig rig;
  ConnectSpec spec = v311(true);
  spec.keep_alive_s = 20;
  SimDevice device = online(rig, spec);
  rig.pass(seconds(29));
  CHECK(rig.view().has_value());
  device.send(pingreq_bytes());
  rig.pass(seconds(29));
  CHECK(rig.view().has_value());
  rig.pass(seconds(3));
  CHECK_FALSE(rig.view().has_value());
  CHECK(device.told_end());
}

TEST_CASE(
    "[MQTT-4.4.0-1 of 3.1.1] [MQTT-3.3.1-1 of 3.1.1] [MQTT-2.3.1-3 of 3.1.1] again with DUP") {
  ShardRig rig;
  SimDevice device = online(rig, v311(false));
  const auto first = rig.push();
  const auto second = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(first), "publish 2 " + shown(second)});
  rig.pass(seconds(80));
  CHECK(device.received().empty());  // nothing is sent again on a live connection
  device.reset();
  SimDevice again = connect(rig, v311(false));
  CHECK(again.received() == Lines{"connack 0 present", "publish 1 dup " + shown(first),
                                  "publish 2 dup " + shown(second)});
}

TEST_CASE(
    "[MQTT-4.6.0-5 of 3.1.1] [MQTT-4.6.0-6 of 3.1.1] pushes come in the order of acceptance") {
  ShardRig rig;
  SimDevice device = online(rig, v311(false));
  Lines expected;
  for (int i = 1; i <= 10; ++i) {
    expected.push_back("publish " + std::to_string(i) + " " + shown(rig.push()));
  }
  CHECK(device.received() == expected);
}

}  // namespace kscpush::test

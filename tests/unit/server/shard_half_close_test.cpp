// Devices that say all that they have to say and close their side: what is said in answer still
// reaches them. With TLS the end is read in the same turn as what came before it.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::EndReason;
using server::Counters;
using std::chrono::seconds;

Dial secure() {
  return {0, PeerIdentity{"192.0.2.1:40000", Result<std::string>("pc-1")}};
}

void send_and_close(ShardRig& rig, SimDevice& device, const std::string& bytes) {
  device.wire->give(bytes);
  device.wire->close();
  rig.run();
}

void check_gone(ShardRig& rig, const SimDevice& device) {
  CHECK(device.told_end());
  CHECK(device.closed());
  CHECK(rig.count(&Counters::connected) == 0);
  CHECK(rig.count(&Counters::handshaking) == 0);
  for (const auto& shard : rig.context.shards) CHECK(shard->inconsistency().empty());
}

}  // namespace

TEST_CASE("regression: the last answers reach a TLS client that closes its side behind its words") {
  ShardRig rig({.shards = 2});
  const ConnectSpec spec;
  const std::string words = publish_bytes(spec, mqtt::UpTopic::kEvent, "{}", 7) + pingreq_bytes();
  SUBCASE("of a session") {
    SimDevice device = online(rig, spec, secure());
    send_and_close(rig, device, words);
    CHECK(device.received() == Lines{"puback 7 0", "pingresp"});
    check_gone(rig, device);
  }
  SUBCASE("from CONNECT on") {
    SimDevice device(rig, spec, secure());
    send_and_close(rig, device, connect_bytes(spec) + subscribe_bytes(spec) + words);
    CHECK(device.received() == Lines{"connack 0", "suback 1", "puback 7 0", "pingresp"});
    check_gone(rig, device);
  }
  SUBCASE("with a packet that is none at the end") {
    SimDevice device = online(rig, spec, secure());
    send_and_close(rig, device, words + std::string("\xc3\x00", 2));
    CHECK(device.received() == Lines{"puback 7 0", "pingresp", "disconnect 81"});
    check_gone(rig, device);
  }
  SUBCASE("refused") {
    SimDevice device(rig, {.id = "pc-2"}, secure());
    send_and_close(rig, device, connect_bytes({.id = "pc-2"}));
    CHECK(device.received() == Lines{"connack 87"});
    check_gone(rig, device);
  }
}

TEST_CASE("half close: answers wait for a client that reads slowly, but not for long") {
  ShardRig rig;
  SimDevice device = online(rig, {}, secure());
  device.wire->set_room(1);
  send_and_close(rig, device, pingreq_bytes() + pingreq_bytes());
  CHECK_FALSE(device.closed());
  CHECK(rig.count(&Counters::connected) == 0);
  CHECK(rig.ended(EndReason::kConnectionLost) == 1);
  SUBCASE("it reads") {
    device.wire->set_room(Wire::kNoLimit);
    rig.run();
    CHECK(device.received() == Lines{"pingresp", "pingresp"});
  }
  SUBCASE("it is back meanwhile: another connection, which this one does not touch") {
    SimDevice again = online(rig, {}, secure());
    device.wire->set_room(Wire::kNoLimit);
    rig.run();
    CHECK(device.closed());
    again.send(pingreq_bytes());
    CHECK(again.received() == Lines{"pingresp"});
    again.close();
  }
  SUBCASE("it resets") {
    device.reset();
  }
  SUBCASE("it never reads") {
    rig.pass(seconds(3));
  }
  CHECK(device.closed());
  CHECK(rig.count(&Counters::connected) == 0);
}

}  // namespace kscpush::test

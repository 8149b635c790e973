// Who is let in, from the first byte to the CONNACK, and what becomes of those who are not.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::EndReason;
using server::Counters;
using std::chrono::milliseconds;
using std::chrono::seconds;

ConnectSpec v311(ConnectSpec spec) {
  spec.version = mqtt::Version::kV311;
  return spec;
}

// Connects and returns what came back.
Lines answer_to(ShardRig& rig, const ConnectSpec& spec, const Dial& dial = {}) {
  SimDevice device(rig, spec, dial);
  device.connect();
  return device.received();
}

Dial with_certificate(Result<std::string> name) {
  return {.shard = 0, .peer = {"peer", name}};
}

}  // namespace

TEST_CASE("admission: a registered device in the scope is let in") {
  ShardRig rig;
  SimDevice device(rig, {});
  CHECK(rig.count(&Counters::handshaking) == 1);
  device.connect();
  CHECK(device.received() == Lines{"connack 0"});
  CHECK(rig.count(&Counters::handshaking) == 0);
  CHECK(rig.count(&Counters::connected) == 1);
  const auto view = rig.view();
  REQUIRE(view.has_value());
  CHECK(view->address == "192.0.2.1:40000");
  CHECK(view->protocol == "MQTT 5");
  CHECK_FALSE(view->subscribed);
  device.subscribe();
  CHECK(device.received() == Lines{"suback 1"});
  CHECK(rig.view()->subscribed);
}

TEST_CASE("admission: strangers, the revoked, and devices of other groups are told so") {
  ShardRig rig;
  rig.store.set_revoked(device_id("pc-2"), true);
  rig.store.add_device(device_id("elsewhere"), "Other devices");
  for (const char* id : {"stranger", "pc-2", "elsewhere"}) {
    CAPTURE(id);
    const ConnectSpec spec{.id = id};
    CHECK(answer_to(rig, spec) == Lines{"connack 87"});
    CHECK(answer_to(rig, v311(spec)) == Lines{"connack 5"});
    CHECK_FALSE(rig.view(id).has_value());
  }
  CHECK(rig.count(&Counters::refused) == 6);
  CHECK(rig.count(&Counters::connected) == 0);
  CHECK(rig.count(&Counters::handshaking) == 0);
}

TEST_CASE("recheck: who would not be admitted any more goes, with its session, others stay") {
  ShardRig rig;
  SimDevice revoked = online(rig, lasting("pc-1"));
  SimDevice kept = online(rig, lasting("pc-2"));
  SimDevice away = online(rig, lasting("pc-3"));
  away.close();
  rig.store.set_revoked(device_id("pc-1"), true);
  rig.store.remove_device(device_id("pc-3"));
  for (const char* id : {"pc-1", "pc-2", "pc-3", "unknown"}) rig.home(id).recheck(device_id(id));
  rig.run();
  CHECK(revoked.received() == Lines{"disconnect 87"});
  CHECK(revoked.told_end());
  CHECK(kept.received().empty());
  CHECK(rig.view("pc-2").has_value());
  CHECK(rig.home("pc-1").usage().devices == 1);
  CHECK(rig.home("pc-1").inconsistency().empty());
  CHECK(rig.ended(mqtt::EndReason::kRefused) == 1);
}

TEST_CASE("recheck: a store that cannot be read ends nobody's session") {
  ShardRig rig;
  SimDevice device = online(rig);
  rig.store.set_broken(true);
  rig.home("pc-1").recheck(device_id("pc-1"));
  rig.run();
  CHECK(device.received().empty());
  CHECK(rig.view().has_value());
}

TEST_CASE("admission: a subgroup is in the scope, a group with a similar name is not") {
  ShardRig rig;
  rig.store.add_device(device_id("sub"), "Managed devices/Berlin/Plant A");
  rig.store.add_device(device_id("similar"), "Managed devices 2");
  CHECK(answer_to(rig, {.id = "sub"}) == Lines{"connack 0"});
  CHECK(answer_to(rig, {.id = "similar"}) == Lines{"connack 87"});
}

TEST_CASE("admission: a store that cannot be read is the server's fault, not the device's") {
  ShardRig rig;
  rig.store.set_broken(true);
  CHECK(answer_to(rig, {}) == Lines{"connack 88"});
  CHECK(answer_to(rig, v311({})) == Lines{"connack 3"});
}

TEST_CASE("admission: max_connections holds, a takeover and the end of a session make room") {
  ShardRig rig({.max_connections = 2});
  SimDevice first = online(rig, {.id = "pc-1"});
  SimDevice second = online(rig, {.id = "pc-2"});
  CHECK(answer_to(rig, {.id = "pc-3"}) == Lines{"connack 97"});
  SimDevice again = online(rig, {.id = "pc-2"});
  CHECK(answer_to(rig, {.id = "pc-3"}) == Lines{"connack 97"});
  first.close();
  CHECK(answer_to(rig, {.id = "pc-3"}) == Lines{"connack 0"});
}

TEST_CASE("admission: a session that waits for its device holds no place") {
  ShardRig rig({.max_connections = 1});
  online(rig, lasting("pc-1")).close();
  SimDevice other = online(rig, {.id = "pc-2"});
  CHECK(answer_to(rig, lasting("pc-1")) == Lines{"connack 97"});
  other.close();
  CHECK(answer_to(rig, lasting("pc-1")) == Lines{"connack 0 present"});
}

TEST_CASE("admission: with TLS the client identifier must be the name in the certificate") {
  ShardRig rig;
  CHECK(answer_to(rig, {}, with_certificate("pc-1")) == Lines{"connack 0"});
  CHECK(answer_to(rig, {}, with_certificate("pc-2")) == Lines{"connack 87"});
  CHECK(answer_to(rig, {.id = "pc-2"}, with_certificate("pc-1")) == Lines{"connack 87"});
  const auto none = fail(ErrorCode::kDenied, "the certificate names no device");
  CHECK(answer_to(rig, {}, with_certificate(none)) == Lines{"connack 87"});
  CHECK(rig.count(&Counters::handshaking) == 0);
  CHECK(rig.count(&Counters::refused) == 3);
  // Whoever is connected under that name does not notice.
  CHECK(rig.ended(EndReason::kTakenOver) == 0);
}

TEST_CASE("admission: a refused client gets its CONNACK before the close, and time to read it") {
  ShardRig rig;
  SimDevice device(rig, {.id = "stranger"});
  device.connect();
  CHECK(device.received() == Lines{"connack 87"});
  CHECK(device.told_end());
  CHECK_FALSE(device.closed());
  SUBCASE("it closes first") {
    device.close();
    CHECK(device.closed());
  }
  SUBCASE("it goes on talking, and nobody listens") {
    device.subscribe();
    CHECK(device.received().empty());
    rig.pass(seconds(4));
    CHECK(device.closed());
  }
  SUBCASE("it resets") {
    device.reset();
    CHECK(device.closed());
  }
}

TEST_CASE("admission: a refused client that does not read is closed all the same") {
  ShardRig rig;
  SimDevice device(rig, {.id = "stranger"});
  device.wire->set_room(1);
  device.connect();
  CHECK_FALSE(device.told_end());
  rig.pass(seconds(4));
  CHECK(device.closed());
}

TEST_CASE("admission: no CONNECT in time closes the connection without a word") {
  ShardRig rig;
  SimDevice silent(rig, {});
  SimDevice slow(rig, {});
  const std::string connect = connect_bytes({});
  slow.send(connect.substr(0, connect.size() - 1));
  rig.pass(seconds(9));
  CHECK_FALSE(silent.closed());
  rig.pass(seconds(2));
  CHECK(silent.closed());
  CHECK(slow.closed());
  CHECK(silent.received().empty());
  CHECK(rig.count(&Counters::handshake_timeouts) == 2);
  CHECK(rig.count(&Counters::handshaking) == 0);
}

TEST_CASE("admission: handshakes in flight are bounded, and accepting goes on when one ends") {
  site::ServerLimits limits;
  limits.handshakes_in_flight = 2;
  ShardRig rig({.limits = limits});
  server::Shard& shard = *rig.context.shards[0];
  int resumed = 0;
  shard.on_room([&] { ++resumed; });
  SimDevice first(rig, {.id = "pc-1"}, with_certificate("pc-1"));
  SimDevice second(rig, {.id = "pc-2"}, with_certificate("pc-2"));
  const std::string connect = connect_bytes({.id = "pc-1"});
  first.send(connect.substr(0, 1));
  CHECK(shard.may_accept());
  second.send("\x10");
  CHECK_FALSE(shard.may_accept());
  int before = resumed;
  first.send(connect.substr(1));
  CHECK(shard.may_accept());
  CHECK(resumed > before);
  before = resumed;
  second.reset();
  CHECK(resumed > before);
}

TEST_CASE("admission: who was let in while he was silent waits for his handshake's place") {
  site::ServerLimits limits;
  limits.handshakes_in_flight = 1;
  ShardRig rig({.limits = limits});
  SimDevice first(rig, {.id = "pc-1"}, with_certificate("pc-1"));
  SimDevice second(rig, {.id = "pc-2"}, with_certificate("pc-2"));
  SimDevice third(rig, {.id = "pc-3"}, with_certificate("pc-3"));
  CHECK(rig.count(&Counters::waiting) == 3);
  first.send(connect_bytes({.id = "pc-1"}).substr(0, 1));
  second.connect();
  third.connect();
  CHECK(rig.count(&Counters::waiting) == 0);
  CHECK(second.received().empty());
  CHECK_FALSE(rig.context.shards[0]->may_accept());
  SUBCASE("until the one before has ended, each in its turn") {
    first.send(connect_bytes({.id = "pc-1"}).substr(1));
    CHECK(first.received() == Lines{"connack 0"});
    CHECK(second.received() == Lines{"connack 0"});
    CHECK(third.received() == Lines{"connack 0"});
  }
  SUBCASE("until the one before is thrown out") {
    second.reset();
    rig.pass(seconds(11));
    CHECK(first.closed());
    CHECK(second.closed());
    CHECK(third.closed());
  }
  CHECK(rig.count(&Counters::handshaking) == 0);
  CHECK(rig.context.shards[0]->may_accept());
  CHECK(rig.context.shards[0]->inconsistency().empty());
}

TEST_CASE("regression: those who send nothing give way, and do not keep the others out") {
  site::ServerLimits limits;
  limits.handshakes_in_flight = 1;  // and eight that may wait
  ShardRig rig({.limits = limits});
  server::Shard& shard = *rig.context.shards[0];
  int resumed = 0;
  shard.on_room([&] { ++resumed; });
  std::vector<std::unique_ptr<SimDevice>> silent;
  for (int i = 0; i < 8; ++i) {
    CHECK(shard.may_accept());
    silent.push_back(std::make_unique<SimDevice>(rig, ConnectSpec{}));
  }
  silent[1]->send(connect_bytes({}).substr(0, 5));  // next to nothing: no whole CONNECT
  CHECK(rig.count(&Counters::waiting) == 8);
  CHECK_FALSE(shard.may_accept());
  const int before = resumed;
  rig.pass(seconds(3));
  CHECK(resumed > before);
  REQUIRE(shard.may_accept());
  SimDevice device = online(rig, {.id = "pc-1"});
  CHECK(silent[0]->closed());
  CHECK_FALSE(silent[1]->closed());
  CHECK(rig.count(&Counters::gave_way) == 1);
  CHECK(rig.count(&Counters::waiting) == 7);
  CHECK(rig.count(&Counters::handshaking) == 7);
  CHECK(shard.inconsistency().empty());
  // With room for all nobody gives way, however long he waits.
  SimDevice ninth(rig, {});
  CHECK(rig.count(&Counters::gave_way) == 1);
  rig.pass(seconds(11));
  CHECK(rig.count(&Counters::waiting) == 0);
  CHECK(rig.count(&Counters::handshake_timeouts) == 8);
  CHECK(ninth.closed());
}

TEST_CASE("admission: what is no CONNECT ends the connection: no answer, no device, no crash") {
  ShardRig rig;
  const std::string v31 = std::string("\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03", 16) + "abc";
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(64, '\0'),
        std::string("\x30\x02\x00\x01"), std::string("\x10\xff\xff\xff\xff\x7f"),
        std::string("\x10\x80\x80\x80\x01\x00\x04MQTT\x04", 12), v31}) {
    SimDevice device(rig, v311({}));
    device.send(bytes);
    CHECK(device.told_end());
    rig.pass(seconds(3));
    CHECK(device.closed());
  }
  CHECK(rig.count(&Counters::handshaking) == 0);
  CHECK(rig.count(&Counters::connected) == 0);
}

TEST_CASE("admission: everything may come byte by byte, or all at once") {
  ShardRig rig;
  const auto push = rig.store_push();
  const std::string all = connect_bytes({}) + subscribe_bytes({}) + pingreq_bytes();
  SUBCASE("byte by byte") {
    SimDevice device(rig, {});
    device.send_bytewise(all);
    CHECK(device.received() ==
          Lines{"connack 0", "suback 1", "publish 1 " + shown(push), "pingresp"});
  }
  SUBCASE("all at once") {
    SimDevice device(rig, {});
    device.send(all);
    CHECK(device.received() ==
          Lines{"connack 0", "suback 1", "publish 1 " + shown(push), "pingresp"});
  }
  SUBCASE("all at once, in reads of three bytes") {
    SimDevice device(rig, {});
    device.wire->set_chunk(3);
    device.send(all);
    CHECK(device.received() ==
          Lines{"connack 0", "suback 1", "publish 1 " + shown(push), "pingresp"});
  }
  SUBCASE("to another shard than the device's") {
    ShardRig two({.shards = 2});
    const std::size_t other = server::home_shard("pc-1", 2) == 0 ? 1 : 0;
    SimDevice device(two, {}, {.shard = other});
    device.send(all);
    CHECK(device.received() == Lines{"connack 0", "suback 1", "pingresp"});
  }
}

TEST_CASE("admission: the connection moves to the device's home shard, wherever it was accepted") {
  ShardRig rig({.shards = 2});
  for (const char* id : {"pc-1", "pc-2", "pc-3"}) {
    for (std::size_t shard = 0; shard < 2; ++shard) {
      CAPTURE(id);
      CAPTURE(shard);
      SimDevice device = online(rig, {.id = id}, {.shard = shard});
      CHECK(rig.view(id).has_value());
      const auto push = rig.push(id);
      CHECK(device.received() == Lines{"publish 1 " + shown(push)});
      device.ack(1);
      CHECK(rig.state(push) == PushState::kAcked);
    }
  }
  CHECK(rig.count(&Counters::handshaking) == 0);
  CHECK(rig.count(&Counters::connected) == 3);
  CHECK(rig.ended(EndReason::kTakenOver) == 3);
}

TEST_CASE("admission: a peer that is gone before its home shard has decided leaves nothing") {
  ShardRig rig({.shards = 2});
  const std::size_t other = server::home_shard("pc-1", 2) == 0 ? 1 : 0;
  SimDevice device(rig, {}, {.shard = other});
  device.wire->give(connect_bytes({}));
  server::Shard& accepting = *rig.context.shards[other];
  accepting.loop().poll();
  device.wire->reset();
  rig.run();
  CHECK(device.closed());
  CHECK_FALSE(rig.view().has_value());
  CHECK(rig.count(&Counters::connected) == 0);
}

}  // namespace kscpush::test

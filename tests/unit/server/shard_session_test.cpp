// A device's session from connection to connection: takeover, resumption, expiry, wills, keep
// alive.

#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::EndReason;
using mqtt::ReasonCode;
using server::Counters;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

ConnectSpec lasting_v311() {
  ConnectSpec spec = lasting();
  spec.version = mqtt::Version::kV311;
  return spec;
}

}  // namespace

TEST_CASE("takeover: the newer connection wins, the older one is told why") {
  ShardRig rig;
  SimDevice old = online(rig);
  SimDevice fresh = online(rig);
  CHECK(old.received() == Lines{"disconnect 8e"});
  CHECK(old.told_end());
  CHECK(rig.count(&Counters::connected) == 1);
  CHECK(rig.ended(EndReason::kTakenOver) == 1);
  const auto push = rig.push();
  CHECK(fresh.received() == Lines{"publish 1 " + shown(push)});
  CHECK(old.received().empty());
}

TEST_CASE("takeover: MQTT 3.1.1 has no word for it, and is closed") {
  ShardRig rig;
  ConnectSpec spec;
  spec.version = mqtt::Version::kV311;
  SimDevice old = online(rig, spec);
  SimDevice fresh = online(rig, spec);
  CHECK(old.received().empty());
  CHECK(old.told_end());
}

TEST_CASE("takeover: the old connection's end, however late, does not touch the new session") {
  ShardRig rig;
  SimDevice old = online(rig);
  SimDevice fresh = online(rig);
  SUBCASE("closed") {
    old.close();
  }
  SUBCASE("reset") {
    old.reset();
  }
  SUBCASE("timed out") {
    rig.pass(seconds(5));
  }
  SUBCASE("still talking") {
    old.send(pingreq_bytes() + disconnect_bytes({}));
  }
  const auto push = rig.push();
  CHECK(fresh.received() == Lines{"publish 1 " + shown(push)});
  CHECK(rig.count(&Counters::connected) == 1);
  CHECK(rig.view()->subscribed);
}

TEST_CASE("takeover: a resumed session brings what is in flight along") {
  ShardRig rig;
  SimDevice old = online(rig, lasting());
  const auto push = rig.push();
  CHECK(old.received() == Lines{"publish 1 " + shown(push)});
  rig.pass(seconds(1));
  SimDevice fresh(rig, lasting());
  fresh.connect();
  CHECK(fresh.received() == Lines{"connack 0 present", "publish 1 dup " + shown(push)});
  // An acknowledgement that arrives on the old connection comes too late.
  old.ack(1);
  CHECK(rig.state(push) == PushState::kSent);
  fresh.ack(1);
  CHECK(rig.state(push) == PushState::kAcked);
}

TEST_CASE("takeover: a clean start forgets the session, not the pushes") {
  ShardRig rig;
  SimDevice old = online(rig, lasting());
  const auto push = rig.push();
  rig.pass(seconds(1));
  ConnectSpec clean = lasting();
  clean.clean_start = true;
  SimDevice fresh(rig, clean);
  fresh.connect();
  CHECK(fresh.received() == Lines{"connack 0"});
  fresh.subscribe();
  CHECK(fresh.received() == Lines{"suback 1", "publish 1 " + shown(push)});
  CHECK(rig.find(push).attempts == 2);
}

TEST_CASE("session: kept while the device is away, resumed with DUP and with what came meanwhile") {
  for (const ConnectSpec& spec : {lasting(), lasting_v311()}) {
    ShardRig rig;
    SimDevice first = online(rig, spec);
    const auto sent = rig.push();
    CHECK(first.received() == Lines{"publish 1 " + shown(sent)});
    first.close();
    CHECK_FALSE(rig.view().has_value());
    const auto meanwhile = rig.push();
    rig.pass(minutes(10));
    SimDevice second(rig, spec);
    second.connect();
    CHECK(second.received() == Lines{"connack 0 present", "publish 1 dup " + shown(sent),
                                     "publish 2 " + shown(meanwhile)});
    second.ack(1);
    second.ack(2);
    CHECK(rig.state(sent) == PushState::kAcked);
    CHECK(rig.state(meanwhile) == PushState::kAcked);
    CHECK(rig.find(sent).attempts == 2);
    CHECK(rig.find(meanwhile).attempts == 1);
  }
}

TEST_CASE("session: ends when its time is over, the pushes stay") {
  ShardRig rig;
  SimDevice first = online(rig, lasting("pc-1", 60));
  const auto push = rig.push();
  first.close();
  SUBCASE("just before") {
    rig.pass(seconds(59));
    SimDevice second(rig, lasting("pc-1", 60));
    second.connect();
    CHECK(second.received() == Lines{"connack 0 present", "publish 1 dup " + shown(push)});
  }
  SUBCASE("after") {
    rig.pass(seconds(62));
    SimDevice second(rig, lasting("pc-1", 60));
    second.connect();
    CHECK(second.received() == Lines{"connack 0"});
    second.subscribe();
    CHECK(second.received() == Lines{"suback 1", "publish 1 " + shown(push)});
  }
}

TEST_CASE("session: without an expiry interval it ends with its connection") {
  ShardRig rig;
  ConnectSpec spec;
  spec.clean_start = false;
  SimDevice first = online(rig, spec);
  const auto push = rig.push();
  first.close();
  SimDevice second(rig, spec);
  second.connect();
  CHECK(second.received() == Lines{"connack 0"});
}

TEST_CASE("session: DISCONNECT ends the connection and keeps the session") {
  ShardRig rig;
  SimDevice first = online(rig, lasting());
  first.send(disconnect_bytes(first.spec));
  CHECK(first.told_end());
  CHECK(rig.ended(EndReason::kDeviceDisconnected) == 1);
  SimDevice second(rig, lasting());
  second.connect();
  CHECK(second.received() == Lines{"connack 0 present"});
}

TEST_CASE("session: a push that expired while the device was away is not sent") {
  ShardRig rig;
  SimDevice first = online(rig, lasting());
  const auto sent = rig.push("pc-1", {.ttl = seconds(60)});
  first.close();
  const auto waiting = rig.push("pc-1", {.ttl = seconds(60)});
  rig.pass(seconds(61));
  SimDevice second(rig, lasting());
  second.connect();
  CHECK(second.received() == Lines{"connack 0 present"});
  CHECK(rig.state(sent) == PushState::kExpired);
  rig.store.expire(rig.clock.wall());
  CHECK(rig.state(waiting) == PushState::kExpired);
}

TEST_CASE("session: a push unacknowledged on five connections is not sent a sixth time") {
  ShardRig rig;
  const auto push = rig.store_push("pc-1", {.ttl = hours(10)});
  const auto probe = [&] {
    SimDevice device(rig, lasting());
    device.connect();
    device.subscribe();
    const Lines lines = device.received();
    device.reset();
    return std::ranges::count_if(
        lines, [](const std::string& line) { return line.starts_with("publish"); });
  };
  for (int attempt = 1; attempt <= 5; ++attempt) {
    rig.pass(minutes(2));
    CHECK(probe() == 1);
    CHECK(rig.find(push).attempts == attempt);
    CHECK(rig.state(push) == PushState::kSent);
  }
  CHECK(probe() == 0);
  const auto found = rig.find(push);
  CHECK(found.state == PushState::kUndeliverable);
  CHECK(found.attempts == 5);
  CHECK(found.reason == "sent 5 times without an acknowledgement");
  // The next one is not held up by it.
  const auto next = rig.push();
  SimDevice device(rig, lasting());
  device.connect();
  CHECK(device.received() == Lines{"connack 0 present", "publish 2 " + shown(next)});
}

TEST_CASE("session: the same without sessions that last") {
  ShardRig rig;
  const auto push = rig.store_push("pc-1", {.ttl = hours(10)});
  for (int attempt = 1; attempt <= 5; ++attempt) {
    rig.pass(minutes(2));
    SimDevice device = online(rig);
    CHECK(rig.find(push).attempts == attempt);
  }
  SimDevice device = online(rig);
  CHECK(rig.state(push) == PushState::kUndeliverable);
  CHECK(rig.find(push).attempts == 5);
}

TEST_CASE("will: handled as the device's message when the connection is lost") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.push();
  ConnectSpec spec;
  spec.will = answer(push, "failed");
  SimDevice with_will = online(rig, spec);
  SUBCASE("lost") {
    with_will.reset();
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("taken over") {
    SimDevice next = online(rig);
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("not after a normal DISCONNECT") {
    with_will.send(disconnect_bytes(spec));
    rig.pass(minutes(1));
    CHECK(rig.state(push) == PushState::kSent);
  }
  SUBCASE("after a DISCONNECT that asks for it") {
    with_will.send(disconnect_bytes(spec, ReasonCode::kDisconnectWithWill));
    CHECK(rig.state(push) == PushState::kFailed);
  }
}

TEST_CASE("will: waits for its delay, unless the device is back before") {
  ShardRig rig;
  const auto push = rig.store_push();
  ConnectSpec spec = lasting("pc-1", 600);
  spec.will = answer(push, "failed");
  spec.will_delay_s = 60;
  SimDevice device = online(rig, spec);
  device.reset();
  SUBCASE("not before its time") {
    rig.pass(seconds(59));
    CHECK(rig.state(push) == PushState::kSent);
    rig.pass(seconds(3));
    CHECK(rig.state(push) == PushState::kFailed);
    // The session goes on.
    SimDevice second(rig, lasting());
    second.connect();
    CHECK(second.received()[0] == "connack 0 present");
  }
  SUBCASE("not if the device is back") {
    rig.pass(seconds(30));
    SimDevice second(rig, lasting());
    second.connect();
    rig.pass(minutes(5));
    CHECK(rig.state(push) == PushState::kSent);
  }
  SUBCASE("at once if the device starts anew") {
    SimDevice second(rig, {});
    second.connect();
    CHECK(rig.state(push) == PushState::kFailed);
  }
  SUBCASE("with the session at the latest") {
    spec.session_expiry_s = 30;
    spec.clean_start = true;
    online(rig, spec).reset();
    rig.pass(seconds(32));
    CHECK(rig.state(push) == PushState::kFailed);
  }
}

TEST_CASE("keep alive: 1.5 times without a packet ends the connection, any packet counts") {
  ShardRig rig;
  ConnectSpec spec;
  spec.keep_alive_s = 20;
  SimDevice device = online(rig, spec);
  for (int i = 0; i < 5; ++i) {
    rig.pass(seconds(25));
    device.send(pingreq_bytes());
    CHECK(device.received() == Lines{"pingresp"});
  }
  rig.pass(seconds(29));
  CHECK(rig.view().has_value());
  rig.pass(seconds(2));
  CHECK_FALSE(rig.view().has_value());
  CHECK(device.received() == Lines{"disconnect 8d"});
  CHECK(rig.ended(EndReason::kKeepAliveExpired) == 1);
}

TEST_CASE("keep alive: what the server sends does not count") {
  ShardRig rig;
  ConnectSpec spec;
  spec.keep_alive_s = 20;
  SimDevice device = online(rig, spec);
  for (int i = 0; i < 5; ++i) {
    rig.pass(seconds(7));
    rig.push();
  }
  CHECK_FALSE(rig.view().has_value());
}

TEST_CASE("disconnect: on request, with the reason, offline devices are none") {
  ShardRig rig;
  CHECK_FALSE(rig.home("pc-1").disconnect(device_id("pc-1"), EndReason::kAdministrator));
  SimDevice device = online(rig);
  CHECK(rig.home("pc-1").disconnect(device_id("pc-1"), EndReason::kAdministrator));
  rig.run();
  CHECK(device.received() == Lines{"disconnect 98"});
  CHECK_FALSE(rig.home("pc-1").disconnect(device_id("pc-1"), EndReason::kAdministrator));
}

TEST_CASE("stop: devices are told, some at a time, unfinished handshakes are not in the way") {
  ShardRig rig;
  SimDevice first = online(rig, {.id = "pc-1"});
  SimDevice second = online(rig, {.id = "pc-2"});
  SimDevice third = online(rig, {.id = "pc-3"});
  SimDevice unfinished(rig, {});
  server::Shard& shard = *rig.context.shards[0];
  CHECK(shard.end_some(2, EndReason::kServerShutdown) == 1);
  CHECK_FALSE(shard.all_told());
  rig.run();
  CHECK(shard.all_told());
  CHECK(rig.count(&Counters::connected) == 1);
  CHECK(shard.end_some(2, EndReason::kServerShutdown) == 0);
  rig.run();
  CHECK(rig.count(&Counters::connected) == 0);
  Lines said;
  for (SimDevice* device : {&first, &second, &third}) {
    for (const std::string& line : device->received()) said.push_back(line);
  }
  CHECK(said == Lines{"disconnect 8b", "disconnect 8b", "disconnect 8b"});
}

TEST_CASE("regression: what is still posted when a shard closes meets no device that is gone") {
  ShardRig rig({.shards = 2});
  SimDevice device = online(rig);
  server::Shard& home = rig.home("pc-1");
  int answered = 0;
  const auto push = rig.store_push();
  home.loop().post([&] { home.offer_pushes({push}); });
  home.loop().post([&] {
    home.probe(device_id("pc-1"), rig.probe_order(),
               [&](const Result<server::ProbeReport>& report) {
                 CHECK(report.error().code == ErrorCode::kOffline);
                 ++answered;
               });
  });
  home.loop().post([&] { CHECK_FALSE(home.view(device_id("pc-1")).has_value()); });
  for (const auto& shard : rig.context.shards) shard->close();
  CHECK(answered == 1);
  CHECK(device.closed());
  CHECK(rig.state(push) == PushState::kStored);
}

TEST_CASE("regression: a connection on its way between shards that close is closed") {
  ShardRig rig({.shards = 2});
  const std::size_t other = server::home_shard("pc-1", 2) == 0 ? 1 : 0;
  SimDevice device(rig, {}, {.shard = other});
  device.wire->give(connect_bytes({}));
  rig.context.shards[other]->loop().poll();
  for (const auto& shard : rig.context.shards) shard->close();
  CHECK(device.closed());
  CHECK(device.received().empty());
}

TEST_CASE("probe: waiting when its shard closes, it is answered") {
  ShardRig rig;
  SimDevice device = online(rig);
  Result<server::ProbeReport> result = fail(ErrorCode::kFailed, "not called");
  rig.home("pc-1").probe(device_id("pc-1"), rig.probe_order(),
                         [&](const auto& report) { result = report; });
  rig.home("pc-1").close();
  CHECK(result.error().code == ErrorCode::kUnreachable);
}

}  // namespace kscpush::test

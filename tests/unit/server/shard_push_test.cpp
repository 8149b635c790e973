// Stored pushes and pings: from the store to the device, and its answers back.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::EndReason;
using mqtt::ReasonCode;
using server::Counters;
using server::ProbeReport;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A probe of pc-1 and what came of it. Shards that close answer it too, so it may outlive its test.
struct PingOutcome {
  int calls = 0;
  Result<ProbeReport> result = fail(ErrorCode::kFailed, "not answered yet");
};
std::shared_ptr<PingOutcome> ping_pc_1(ShardRig& rig, Duration timeout = seconds(5)) {
  auto outcome = std::make_shared<PingOutcome>();
  rig.home("pc-1").probe(device_id("pc-1"), rig.probe_order(timeout),
                         [outcome](const auto& report) {
                           ++outcome->calls;
                           outcome->result = report;
                         });
  rig.run();
  return outcome;
}

std::string id_in(const ServerPacket& packet) {
  return std::string(decode_push(packet.payload)->id.str());
}

std::string completed(const std::string& id) {
  return fmt::format(R"({{"id":"{}","status":"completed"}})", id);
}

}  // namespace

TEST_CASE("push: delivered to a device that is online, with all that MQTT 5 has to say of it") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.push("pc-1", {.params = R"({"a":1})"});
  CHECK(rig.state(push) == PushState::kSent);
  const auto packets = device.packets();
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].topic == "ksc/v1/devices/pc-1/push");
  CHECK(packets[0].qos == 1);
  CHECK(packets[0].correlation == push.id.str());
  CHECK(packets[0].expires_s == 900);
  const auto message = decode_push(packets[0].payload);
  REQUIRE(message.has_value());
  CHECK(message->id == push.id);
  CHECK(message->kind == "sync");
  CHECK(message->attempt == 1);
  CHECK(message->ttl == seconds(900));
  CHECK(message->params == nlohmann::json{{"a", 1}});
  rig.clock.advance(milliseconds(40));
  device.ack(packets[0].packet_id);
  const auto acked = rig.find(push);
  CHECK(acked.state == PushState::kAcked);
  CHECK(*acked.reached[3] - *acked.reached[2] == milliseconds(40));
  CHECK(rig.count(&Counters::pushes_sent) == 1);
  CHECK(rig.count(&Counters::pushes_acked) == 1);
}

TEST_CASE("push: kept for a device that is offline, or has not subscribed") {
  ShardRig rig;
  const auto first = rig.push();
  CHECK(rig.state(first) == PushState::kStored);
  SimDevice device(rig, {});
  device.connect();
  const auto second = rig.push();
  CHECK(device.received() == Lines{"connack 0"});
  CHECK(rig.state(second) == PushState::kStored);
  device.subscribe();
  CHECK(device.received() ==
        Lines{"suback 1", "publish 1 " + shown(first), "publish 2 " + shown(second)});
}

TEST_CASE("push: none after UNSUBSCRIBE, a new subscription goes on") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto first = rig.push();
  device.send(unsubscribe_bytes(device.spec));
  const auto second = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(first), "unsuback 0"});
  device.ack(1);
  CHECK(rig.state(first) == PushState::kAcked);
  device.subscribe();
  CHECK(device.received() == Lines{"suback 1", "publish 2 " + shown(second)});
}

TEST_CASE("push: in order, 16 in flight, the rest from the store as acknowledgements come") {
  ShardRig rig;
  SimDevice device = online(rig);
  std::vector<server::PushRecord> pushes;
  for (int i = 0; i < 40; ++i) pushes.push_back(rig.push());
  auto packets = device.packets();
  REQUIRE(packets.size() == 16);
  CHECK(rig.view()->in_flight == 16);
  CHECK(rig.state(pushes[16]) == PushState::kStored);
  std::vector<std::string> order;
  while (!packets.empty()) {
    CHECK(rig.view()->in_flight <= 16);
    std::vector<std::uint16_t> ids;
    for (const auto& packet : packets) {
      order.push_back(id_in(packet));
      ids.push_back(packet.packet_id);
    }
    // The last first, as a device may.
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) device.ack(*id);
    packets = device.packets();
  }
  REQUIRE(order.size() == 40);
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(order[i] == pushes[i].id.str());
    CHECK(rig.state(pushes[i]) == PushState::kAcked);
  }
  CHECK(rig.view()->in_flight == 0);
}

TEST_CASE("push: a device's Receive Maximum below the window holds") {
  ShardRig rig;
  ConnectSpec spec;
  spec.receive_maximum = 2;
  SimDevice device = online(rig, spec);
  for (int i = 0; i < 5; ++i) rig.push();
  CHECK(device.packets().size() == 2);
  device.ack(1);
  CHECK(device.packets().size() == 1);
}

TEST_CASE("push: new ones queue up behind those that wait in the store") {
  ShardRig rig;
  ConnectSpec spec;
  spec.receive_maximum = 1;
  SimDevice device = online(rig, spec);
  const auto first = rig.push();
  const auto second = rig.push();
  const auto third = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(first)});
  device.ack(1);
  CHECK(device.received() == Lines{"publish 2 " + shown(second)});
  device.ack(2);
  CHECK(device.received() == Lines{"publish 3 " + shown(third)});
}

TEST_CASE("push: found in the store before it is announced, it is sent once") {
  ShardRig rig;
  const auto push = rig.store_push();
  SimDevice device = online(rig);
  rig.home("pc-1").offer_pushes({push});
  rig.run();
  CHECK(rig.find(push).attempts == 1);
  CHECK(device.received().empty());  // online() read the one that came with SUBACK
}

TEST_CASE("push: that it was sent is told with the second tick, or what follows, and then alone") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.push();
  // The rig's own find() has the shards write at once.
  const auto state = [&] { return rig.store.pushes().at(push.seq).state; };
  const auto sent_at = rig.clock.wall();
  rig.home("pc-1").use(std::make_shared<const server::ShardSettings>(rig.dp, nullptr));
  rig.pass(server::TimerWheel::kTick);
  CHECK(state() == PushState::kStored);
  rig.pass(server::TimerWheel::kTick);
  CHECK(state() == PushState::kSent);
  CHECK(rig.store.pushes().at(push.seq).reached[2] == sent_at);
  const auto next = rig.push();
  device.ack(2);
  CHECK(rig.store.pushes().at(next.seq).state == PushState::kAcked);
  CHECK(rig.store.pushes().at(next.seq).attempts == 1);
}

TEST_CASE("push: at QoS 0 sent and no more is known of it") {
  ShardRig rig;
  SimDevice device(rig, {});
  device.connect();
  device.subscribe(0);
  const auto push = rig.push();
  CHECK(device.received() == Lines{"connack 0", "suback 0", "publish " + shown(push)});
  CHECK(rig.state(push) == PushState::kSent);
  device.publish(answer(push, "completed"));
  CHECK(rig.state(push) == PushState::kCompleted);
}

TEST_CASE("push: refused by the device's PUBACK it ends as rejected, with the reason") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.push();
  device.send(puback_bytes(device.spec, 1, ReasonCode::kQuotaExceeded));
  const auto found = rig.find(push);
  CHECK(found.state == PushState::kRejected);
  CHECK(found.reason == "the device refused it: quota exceeded");
}

TEST_CASE("push: larger than the device takes, it ends as undeliverable and the next goes on") {
  ShardRig rig;
  ConnectSpec spec;
  spec.max_packet_bytes = 500;
  SimDevice device = online(rig, spec);
  const auto large = rig.push("pc-1", {.params = R"({"x":")" + std::string(500, 'x') + "\"}"});
  const auto small = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(small)});
  CHECK(rig.state(large) == PushState::kUndeliverable);
  CHECK(rig.find(large).reason == "larger than the device's maximum packet size");
  CHECK(rig.find(large).attempts == 0);
}

TEST_CASE("push: expired ones are not sent") {
  ShardRig rig;
  const auto push = rig.push("pc-1", {.ttl = seconds(60)});
  rig.clock.advance(seconds(60));
  SimDevice device = online(rig);
  CHECK(rig.state(push) == PushState::kStored);
  CHECK(rig.view()->in_flight == 0);
}

TEST_CASE("push: expired between the store and the device, it ends as expired") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.store_push("pc-1", {.ttl = seconds(60)});
  rig.clock.advance(seconds(60));
  rig.home("pc-1").offer_pushes({push});
  rig.run();
  CHECK(device.received().empty());
  CHECK(rig.state(push) == PushState::kExpired);
}

TEST_CASE("push: damaged in the store, it ends as undeliverable and the next goes on") {
  ShardRig rig;
  const auto damaged = rig.push("pc-1", {.params = "{\"a\":"});
  const auto good = rig.push();
  SimDevice device(rig, {});
  device.connect();
  device.subscribe();
  CHECK(device.received() == Lines{"connack 0", "suback 1", "publish 1 " + shown(good)});
  CHECK(rig.state(damaged) == PushState::kUndeliverable);
}

TEST_CASE("push: when the store could not be read, the next push brings the others along") {
  ShardRig rig;
  const auto first = rig.store_push();
  SimDevice device(rig, {});
  device.connect();
  rig.store.set_broken(true);
  device.subscribe();
  CHECK(device.received() == Lines{"connack 0", "suback 1"});
  rig.store.set_broken(false);
  const auto second = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(first), "publish 2 " + shown(second)});
}

TEST_CASE("answer: started, completed, failed are noted with result and time") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto push = rig.push();
  device.publish(answer(push, "started"));
  CHECK(rig.state(push) == PushState::kStarted);
  device.publish(
      fmt::format(R"({{"id":"{}","status":"completed","result":{{"n":5}}}})", push.id.str()));
  device.ack(1);
  const auto found = rig.find(push);
  CHECK(found.state == PushState::kCompleted);
  CHECK(found.result == R"({"n":5})");
  // The answers came before the PUBACK; its time is known all the same.
  CHECK(found.reached[static_cast<std::size_t>(PushState::kAcked)].has_value());
  CHECK(rig.count(&Counters::answers) == 2);
  CHECK(rig.count(&Counters::stray_messages) == 0);
}

TEST_CASE("answer: for another device's push it is ignored and counted") {
  ShardRig rig;
  SimDevice first = online(rig, {.id = "pc-1"});
  SimDevice second = online(rig, {.id = "pc-2"});
  const auto push = rig.push("pc-1");
  second.publish(answer(push, "completed"));
  CHECK(second.received() == Lines{"puback 7 0"});
  CHECK(rig.state(push) == PushState::kSent);
  CHECK(rig.count(&Counters::stray_messages) == 1);
}

TEST_CASE("answer: what is none, or names no push, is counted and does no harm") {
  ShardRig rig;
  SimDevice device = online(rig);
  const std::string unknown(Ulid::generate(rig.clock.wall()).str());
  for (const std::string& payload :
       {std::string("nonsense"), std::string("[]"), std::string(R"({"id":5,"status":"completed"})"),
        std::string(R"({"id":"short","status":"completed"})"), completed(unknown),
        fmt::format(R"({{"id":"{}","status":"sent"}})", unknown)}) {
    device.publish(payload);
    CHECK(device.received() == Lines{"puback 7 0"});
  }
  CHECK(rig.count(&Counters::stray_messages) == 6);
  device.publish("anything", mqtt::UpTopic::kEvent);
  CHECK(rig.count(&Counters::stray_messages) == 6);
}

TEST_CASE("ping: the round trip of the PUBACK") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto ping = ping_pc_1(rig);
  const auto packets = device.packets();
  REQUIRE(packets.size() == 1);
  CHECK(decode_push(packets[0].payload)->kind == "ping");
  CHECK(ping->calls == 0);
  rig.clock.advance(milliseconds(30));
  device.ack(packets[0].packet_id);
  REQUIRE(ping->calls == 1);
  REQUIRE(ping->result.has_value());
  CHECK(ping->result->puback == milliseconds(30));
  CHECK(rig.store.pushes().empty());
}

TEST_CASE("ping: of an agent waits for its own answer") {
  ShardRig rig;
  ConnectSpec spec;
  spec.agent = "1.2.3";
  SimDevice device = online(rig, spec);
  const auto ping = ping_pc_1(rig);
  const auto packets = device.packets();
  REQUIRE(packets.size() == 1);
  device.ack(packets[0].packet_id);
  CHECK(ping->calls == 0);
  rig.clock.advance(milliseconds(50));
  device.publish(completed(id_in(packets[0])));
  REQUIRE(ping->result.has_value());
  CHECK(ping->result->answer == milliseconds(50));
}

TEST_CASE("ping: offline, unsubscribed and QoS 0 devices are told apart at once") {
  ShardRig rig;
  CHECK(ping_pc_1(rig)->result.error().message == "device 'pc-1' is not connected");
  SimDevice device(rig, {});
  device.connect();
  const auto unsubscribed = ping_pc_1(rig)->result.error();
  CHECK(unsubscribed.code == ErrorCode::kOffline);
  CHECK(unsubscribed.message == "device 'pc-1' is connected but has not subscribed to its pushes");
  device.subscribe(0);
  CHECK(ping_pc_1(rig)->result.error().code == ErrorCode::kNoAnswer);
}

TEST_CASE("ping: no answer in time") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto ping = ping_pc_1(rig, seconds(5));
  rig.pass(seconds(4));
  CHECK(ping->calls == 0);
  rig.pass(seconds(2));
  CHECK(ping->calls == 1);
  CHECK(ping->result.error().code == ErrorCode::kNoAnswer);
  // Late, and so nobody's.
  device.ack(1);
  CHECK(ping->calls == 1);
}

TEST_CASE("ping: ends when the connection does, unless the session is taken over") {
  ShardRig rig;
  SimDevice device = online(rig, lasting());
  const auto ping = ping_pc_1(rig);
  SUBCASE("lost") {
    device.reset();
    CHECK(ping->calls == 1);
    CHECK(ping->result.error().code == ErrorCode::kOffline);
  }
  SUBCASE("taken over, clean") {
    SimDevice fresh = online(rig);
    CHECK(ping->calls == 1);
    CHECK(ping->result.error().code == ErrorCode::kOffline);
  }
  SUBCASE("taken over, resumed: it is sent again and answered") {
    SimDevice fresh(rig, lasting());
    fresh.connect();
    const auto packets = fresh.packets();
    REQUIRE(packets.size() == 2);
    CHECK(packets[1].dup);
    fresh.ack(packets[1].packet_id);
    REQUIRE(ping->calls == 1);
    CHECK(ping->result.has_value());
  }
}

TEST_CASE("ping: a full window is said to be one") {
  ShardRig rig;
  SimDevice device = online(rig);
  for (int i = 0; i < 16; ++i) rig.push();
  const auto ping = ping_pc_1(rig);
  CHECK(ping->calls == 1);
  CHECK(ping->result.error().code == ErrorCode::kOverloaded);
}

TEST_CASE("ping: in the pause before what was not acknowledged goes again, that is said") {
  ShardRig rig;
  rig.store_push();
  for (int i = 0; i < 2; ++i) {
    SimDevice device = online(rig, lasting());
    device.reset();
    rig.pass(milliseconds(100));
  }
  SimDevice device(rig, lasting());
  device.connect();
  device.subscribe();
  const auto ping = ping_pc_1(rig);
  REQUIRE(ping->calls == 1);
  CHECK(ping->result.error().code == ErrorCode::kOverloaded);
  CHECK(ping->result.error().hint.find("after a pause") != std::string::npos);
}

TEST_CASE("ping: another device's answer does not end it") {
  ShardRig rig;
  ConnectSpec spec;
  spec.agent = "1.2.3";
  SimDevice device = online(rig, spec);
  SimDevice other = online(rig, {.id = "pc-2"});
  const auto ping = ping_pc_1(rig);
  const auto packets = device.packets();
  device.ack(packets[0].packet_id);
  other.publish(completed(id_in(packets[0])));
  CHECK(ping->calls == 0);
  CHECK(rig.count(&Counters::stray_messages) == 1);
}

}  // namespace kscpush::test

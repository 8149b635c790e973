// Devices that ask for their policy: what they are answered, and when.
#include "core/sync.hpp"
#include "policy/schema.hpp"
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using server::Counters;

// One policy, in which devices synchronize so often, and one push server for all.
std::shared_ptr<const site::Site> make_site(const std::string& minutes = "15") {
  site::Setting interval;
  interval.path = "connectivity.schedule.synchronization_interval";
  interval.value = minutes;
  interval.locked = true;
  site::Policy policy;
  policy.name = "Network Agent";
  policy.group = "Managed devices";
  policy.settings.push_back(interval);
  site::DistributionPoint dp;
  dp.name = "dp-1";
  dp.address = "dp-1.example.com";
  dp.scope_groups.push_back({"Managed devices", {}});
  dp.push_server.enabled = true;
  auto site = std::make_shared<site::Site>();
  site->policies.push_back(policy);
  site->distribution_points.push_back(dp);
  return site;
}

struct Told {
  std::uint16_t packet_id = 0;
  PolicyMessage policy;
};

// The policies among what has come since the last look.
std::vector<Told> told(SimDevice& device) {
  std::vector<Told> all;
  for (const ServerPacket& packet : device.packets()) {
    if (packet.type != mqtt::PacketType::kPublish) continue;
    const auto push = decode_push(packet.payload);
    REQUIRE(push.has_value());
    if (push->kind != "policy") continue;
    auto policy = decode_policy(push->params.dump());
    REQUIRE(policy.has_value());
    all.push_back({packet.packet_id, std::move(*policy)});
  }
  return all;
}

void ask(SimDevice& device, const std::string& has = "") {
  device.publish(encode(SyncRequest{has}), mqtt::UpTopic::kSync);
}

Told ask_once(SimDevice& device, const std::string& has = "") {
  ask(device, has);
  auto all = told(device);
  REQUIRE(all.size() == 1);
  device.ack(all.front().packet_id);
  return all.front();
}

}  // namespace

TEST_CASE("sync: a device without a policy is told all of it, and where its push servers are") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  const PolicyMessage policy = ask_once(device).policy;
  REQUIRE(policy.settings.has_value());
  CHECK(policy.settings->size() == policy::settings().size());
  CHECK(policy.settings->at("connectivity.schedule.synchronization_interval") ==
        PolicyValue{"15", true});
  CHECK(policy.servers == std::vector<std::string>{"dp-1.example.com:13295"});
  CHECK(rig.store.pushes().empty());
  CHECK(rig.count(&Counters::sync_requests) == 1);
  CHECK(rig.count(&Counters::policies_sent) == 1);
}

TEST_CASE("sync: one that has it is told that it has") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  const std::string revision = ask_once(device).policy.revision;
  const PolicyMessage same = ask_once(device, revision).policy;
  CHECK(same.revision == revision);
  CHECK_FALSE(same.settings.has_value());
  CHECK(same.servers.size() == 1);
  CHECK(ask_once(device, "another").policy.settings.has_value());
}

TEST_CASE("sync: from a change of the configuration on the answer is another") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  const std::string before = ask_once(device).policy.revision;
  rig.home("pc-1").use(std::make_shared<const server::ShardSettings>(rig.dp, make_site("30")));
  const PolicyMessage after = ask_once(device, before).policy;
  CHECK(after.revision != before);
  CHECK(after.settings->at("connectivity.schedule.synchronization_interval").value == "30");
}

TEST_CASE("sync: one answer is in flight, what is asked meanwhile is answered behind it") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  ask(device);
  const auto first = told(device);
  REQUIRE(first.size() == 1);
  ask(device, first.front().policy.revision);
  ask(device, first.front().policy.revision);
  CHECK(told(device).empty());
  device.ack(first.front().packet_id);
  const auto second = told(device);
  REQUIRE(second.size() == 1);
  device.ack(second.front().packet_id);
  CHECK(told(device).empty());
}

TEST_CASE("sync: asked before the subscription, answered with it") {
  ShardRig rig({.site = make_site()});
  SimDevice device(rig, {});
  device.connect();
  ask(device);
  CHECK(told(device).empty());
  device.subscribe();
  CHECK(told(device).size() == 1);
}

TEST_CASE("sync: a device that acknowledges nothing can ask again") {
  ShardRig rig({.site = make_site()});
  SimDevice device(rig, {});
  device.connect();
  device.subscribe(0);
  ask(device);
  ask(device);
  CHECK(told(device).size() == 2);
}

TEST_CASE("sync: behind a full window the answer waits for an acknowledgement") {
  ShardRig rig({.site = make_site()});
  ConnectSpec spec;
  spec.receive_maximum = 1;
  SimDevice device = online(rig, spec);
  rig.push();
  ask(device);
  CHECK(told(device).empty());
  device.ack(1);
  CHECK(told(device).size() == 1);
}

TEST_CASE("sync: what was lost with a connection is forgotten with it") {
  ShardRig rig({.site = make_site()});
  {
    SimDevice device = online(rig);
    ask(device);
    device.reset();
  }
  SimDevice device = online(rig);
  CHECK(told(device).empty());
  ask_once(device);
}

TEST_CASE("sync: a request that is none is stray, one without a configuration not answered") {
  ShardRig rig;
  SimDevice device = online(rig);
  ask(device);
  CHECK(told(device).empty());
  CHECK(rig.count(&Counters::stray_messages) == 0);
  device.publish(R"({"revision":"a b"})", mqtt::UpTopic::kSync);
  CHECK(told(device).empty());
  CHECK(rig.count(&Counters::stray_messages) == 1);
}

TEST_CASE("sync: a device that never asks is told nothing") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  const auto push = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(push)});
}

TEST_CASE("resync: a client that has missed something is brought level at its connect") {
  ShardRig rig({.site = make_site()});
  Lines asked;
  rig.context.bring_level = [&](const DeviceId& id) { asked.push_back(id.str()); };
  const auto connect = [&](const ConnectSpec& spec) { SimDevice(rig, spec).connect(); };
  connect({});
  CHECK(asked.empty());
  rig.store.set_resync(device_id("pc-1"), server::ResyncRequired{rig.clock.wall(), {}});
  connect({.id = "pc-2"});
  CHECK(asked.empty());
  connect({});
  connect(lasting());
  CHECK(asked == Lines{"pc-1", "pc-1"});
  // An agent asks for its policy by itself.
  connect({.agent = "1.2.3"});
  CHECK(asked.size() == 2);
}

TEST_CASE("resync: what is noted late is made up for as if it had been known at the connect") {
  ShardRig rig;
  Lines asked;
  rig.context.bring_level = [&](const DeviceId& id) { asked.push_back(id.str()); };
  const WallTime before = rig.clock.wall();
  rig.pass(std::chrono::seconds(1));
  const SimDevice device = online(rig);
  rig.home("pc-2").missed(device_id("pc-2"), before);
  rig.pass(std::chrono::seconds(1));
  rig.home("pc-1").missed(device_id("pc-1"), rig.clock.wall());
  CHECK(asked.empty());
  rig.home("pc-1").missed(device_id("pc-1"), before);
  CHECK(asked == Lines{"pc-1"});
}

TEST_CASE("resync: a device is level when it reports the policy that it should have") {
  ShardRig rig({.site = make_site()});
  const auto id = device_id("pc-1");
  rig.store.set_resync(id, server::ResyncRequired{rig.clock.wall(), {}});
  const auto needed = [&] { return rig.store.find_device(id).value()->resync.has_value(); };
  SimDevice device = online(rig, {.agent = "1.2.3"});
  const std::string revision = ask_once(device).policy.revision;
  const auto report = [&](const std::string& has, const std::string& result) {
    device.publish(encode(DeviceReport{.policy = DeviceReport::Policy{has, result}}),
                   mqtt::UpTopic::kState);
  };
  device.publish(encode(DeviceReport{.local = ReportedSettings{}}), mqtt::UpTopic::kState);
  report("r1", "applied");
  report(revision, "the disk is full");
  CHECK(needed());
  report(revision, "applied");
  CHECK_FALSE(needed());
}

TEST_CASE("regression: a device that never stops reporting has one change before the disk") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand, .site = make_site()});
  SimDevice device = online(rig);
  SimDevice other = online(rig, {.id = "pc-2"});
  const auto say = [&](SimDevice& from, const DeviceReport& report) {
    from.publish(encode(report), mqtt::UpTopic::kState);
  };
  const auto of = [&](const char* id) { return rig.store.find_device(device_id(id)).value(); };
  rig.store.commit();
  rig.run();
  const std::size_t before = rig.store.queued();
  for (int i = 0; i < 100; ++i) {
    say(device, {.policy = DeviceReport::Policy{fmt::format("r{}", i), "applied"}});
  }
  say(device, {.local = ReportedSettings{{"a", "1"}}});
  say(other, {.policy = DeviceReport::Policy{"r5", "applied"}});
  CHECK(rig.store.queued() == before + 2);
  CHECK(rig.count(&Counters::reports_replaced) == 99);
  rig.store.commit();
  rig.run();
  CHECK(of("pc-1")->policy->revision == "r0");
  CHECK(of("pc-2")->policy->revision == "r5");
  rig.store.commit();
  rig.run();
  // Of each part what it said last.
  CHECK(of("pc-1")->policy->revision == "r99");
  CHECK(of("pc-1")->local_settings == R"({"a":"1"})");
  // And nothing is left over: the next is written at once.
  say(device, {.policy = DeviceReport::Policy{"r100", "applied"}});
  rig.store.commit();
  CHECK(of("pc-1")->policy->revision == "r100");
}

TEST_CASE("sync: a server that stops writes what waits of the reports") {
  ShardRig rig({.commit = MemoryStore::Commit::kByHand, .site = make_site()});
  SimDevice device = online(rig);
  for (const char* const revision : {"r1", "r2", "r3"}) {
    device.publish(encode(DeviceReport{.policy = DeviceReport::Policy{revision, "applied"}}),
                   mqtt::UpTopic::kState);
  }
  rig.home("pc-1").close();
  rig.store.commit();
  CHECK(rig.store.find_device(device_id("pc-1")).value()->policy->revision == "r3");
}

TEST_CASE("sync: what could not be applied is counted") {
  ShardRig rig({.site = make_site()});
  SimDevice device = online(rig);
  const auto report = [&](const std::string& result) {
    device.publish(encode(DeviceReport{.policy = DeviceReport::Policy{"r1", result}}),
                   mqtt::UpTopic::kState);
  };
  report("applied");
  report("the disk is full");
  CHECK(rig.count(&Counters::policy_reports) == 2);
  CHECK(rig.count(&Counters::policy_failures) == 1);
}

}  // namespace kscpush::test

// What is stored for a device goes to it in the order in which it was stored, however it came.
#include <algorithm>
#include <future>

#include <doctest/doctest.h>

#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {
namespace {

using server::PushRecord;
using server::PushRequest;
using server::PushServer;
using std::chrono::hours;

// A push server of one shard with many devices, of which pc-1 is connected.
struct Fleet {
  explicit Fleet(int count) {
    site.config.dp.push_server.limits.shards = 1;
    site.config.dp.push_server.plain_listener = site::ListenAddress{"127.0.0.1", free_port()};
    server = site.start();
    std::vector<server::NewDevice> devices;
    for (int i = 0; i < count; ++i) {
      ids.push_back(device_id(fmt::format("many-{:04}", i)));
      devices.push_back({.id = ids.back(), .group = "Managed devices"});
    }
    std::promise<Status> added;
    server->add_devices(std::move(devices), [&](Status status) { added.set_value(status); });
    REQUIRE(added.get_future().get().has_value());
    pc_1.emplace(site.config.dp.push_server.plain_listener->port, ConnectSpec{});
    pc_1->go_online();
  }

  void push_to_pc_1() {
    server->push(device_id("pc-1"), request("stats"), [this](const Result<server::OncePush>& push) {
      one.set_value(push.value().push);
    });
  }
  void push_to(std::vector<DeviceId> devices, std::size_t pc_1_at) {
    server->push_all(devices, request("task.start"),
                     [this, pc_1_at](const Result<server::Store::PushResults>& pushes) {
                       of_many.set_value(pushes.value().at(pc_1_at).value());
                     });
  }
  static PushRequest request(const char* kind) {
    PushRequest request{.kind = kind};
    request.ttl = hours(1);
    return request;
  }
  std::string next() {
    const auto packet = pc_1->next();
    pc_1->ack(packet.packet_id);
    return packet.payload;
  }

  TestSite site;
  std::unique_ptr<PushServer> server;
  std::vector<DeviceId> ids;
  std::optional<SocketDevice> pc_1;
  std::promise<PushRecord> one;
  std::promise<PushRecord> of_many;
};

bool is(const PushRecord& push, const std::string& payload) {
  return payload.find(push.id.str()) != std::string::npos;
}

}  // namespace

TEST_CASE("order: a push that was stored before one to many goes before it") {
  Fleet fleet(10);
  std::vector<DeviceId> many = fleet.ids;
  many.push_back(device_id("pc-1"));
  while_store_waits(*fleet.server, fleet.ids.front(), [&] {
    fleet.push_to_pc_1();
    fleet.push_to(many, many.size() - 1);
  });
  const PushRecord first = fleet.one.get_future().get();
  const PushRecord second = fleet.of_many.get_future().get();
  CHECK(first.seq < second.seq);
  CHECK(is(first, fleet.next()));
  CHECK(is(second, fleet.next()));
}

namespace {

// PUSHES to pc-1 behind so many to others that they have their turn later.
std::vector<PushRecord> behind_many(const std::vector<PushRecord>& pushes) {
  std::vector<PushRecord> all(200, pushes.front());
  for (PushRecord& push : all) push.device = device_id("elsewhere");
  all.insert(all.end(), pushes.begin(), pushes.end());
  return all;
}

}  // namespace

TEST_CASE("order: a push that comes while many are offered waits for the device's older ones") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto first = rig.store_push();
  const auto second = rig.store_push();
  server::Shard& home = rig.home("pc-1");
  home.offer_pushes(behind_many({first}));
  home.offer_pushes({second});
  rig.run();
  CHECK(device.received() == Lines{"publish 1 " + shown(first), "publish 2 " + shown(second)});
  CHECK(rig.find(first).attempts == 1);
}

TEST_CASE("order: many that come while many are offered wait for these") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto first = rig.store_push();
  const auto second = rig.store_push();
  std::vector<PushRecord> later = behind_many({second});
  std::ranges::reverse(later);
  server::Shard& home = rig.home("pc-1");
  home.offer_pushes(behind_many({first}));
  home.offer_pushes(later);
  rig.run();
  CHECK(device.received() == Lines{"publish 1 " + shown(first), "publish 2 " + shown(second)});
}

}  // namespace kscpush::test

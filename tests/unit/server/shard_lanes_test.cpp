// Which of a device's stored pushes goes first: those whose answer somebody waits for, one at a
// time.
#include <doctest/doctest.h>

#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const PushSpec kAnswered{.kind = "ping", .ttl = minutes(15)};

std::vector<std::string> ids_of(const std::vector<ServerPacket>& packets) {
  std::vector<std::string> ids;
  for (const ServerPacket& packet : packets) {
    if (packet.type == mqtt::PacketType::kPublish) {
      ids.emplace_back(decode_push(packet.payload)->id.str());
    }
  }
  return ids;
}

std::vector<std::string> ids_of(std::initializer_list<server::PushRecord> pushes) {
  std::vector<std::string> ids;
  for (const auto& push : pushes) ids.emplace_back(push.id.str());
  return ids;
}

}  // namespace

TEST_CASE("lanes: what is answered goes before what waited longer") {
  ShardRig rig;
  const auto bulk = rig.push();
  const auto answered = rig.push("pc-1", kAnswered);
  const auto more = rig.push();
  SimDevice device(rig, {});
  device.connect();
  device.subscribe();
  CHECK(ids_of(device.packets()) == ids_of({answered, bulk, more}));
}

TEST_CASE("lanes: of those that are answered one is in flight") {
  ShardRig rig;
  SimDevice device = online(rig);
  const auto first = rig.push("pc-1", kAnswered);
  const auto second = rig.push("pc-1", kAnswered);
  const auto third = rig.push("pc-1", kAnswered);
  const auto bulk = rig.push();
  auto packets = device.packets();
  CHECK(ids_of(packets) == ids_of({first, bulk}));
  device.ack(packets.at(1).packet_id);
  CHECK(device.packets().empty());
  device.ack(packets.at(0).packet_id);
  packets = device.packets();
  CHECK(ids_of(packets) == ids_of({second}));
  device.ack(packets.at(0).packet_id);
  CHECK(ids_of(device.packets()) == ids_of({third}));
}

TEST_CASE("lanes: a full window goes to what is answered first") {
  ShardRig rig;
  SimDevice device = online(rig);
  for (int i = 0; i < 20; ++i) rig.push();
  const auto answered = rig.push("pc-1", kAnswered);
  auto packets = device.packets();
  REQUIRE(packets.size() == 16);
  device.ack(packets.at(0).packet_id);
  CHECK(ids_of(device.packets()) == ids_of({answered}));
}

TEST_CASE("lanes: the pause of one holds up none of the other") {
  ShardRig rig;
  const auto bulk = rig.store_push("pc-1", {.ttl = minutes(15)});
  const auto visit = [&] {
    SimDevice device(rig, {});
    device.connect();
    device.subscribe();
    auto ids = ids_of(device.packets());
    device.reset();
    return ids;
  };
  CHECK(visit() == ids_of({bulk}));
  const auto answered = rig.store_push("pc-1", kAnswered);
  // A second attempt comes after a second, and what has had none at once.
  CHECK(visit() == ids_of({answered}));
  SimDevice device(rig, {});
  device.connect();
  device.subscribe();
  CHECK(ids_of(device.packets()).empty());
  rig.pass(seconds(2));
  CHECK(ids_of(device.packets()) == ids_of({answered, bulk}));
}

}  // namespace kscpush::test

// A device that does not read what it is sent, or not as fast: nothing grows, nobody waits for it.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using mqtt::EndReason;
using server::Counters;
using std::chrono::minutes;
using std::chrono::seconds;

RigOptions small_limits() {
  RigOptions options;
  options.limits.unsent_bytes = 4096;
  options.limits.slow_reader_timeout_s = 30;
  options.limits.inbound_bytes_per_s = 1U << 20U;
  return options;
}

PushSpec of_size(std::size_t bytes) {
  return {.params = R"({"x":")" + std::string(bytes, 'x') + "\"}", .ttl = std::chrono::hours(1)};
}

// Reads all there is, letting the server write on, until nothing more comes.
std::vector<ServerPacket> read_all(SimDevice& device, std::size_t window) {
  std::vector<ServerPacket> all;
  for (bool more = true; more;) {
    device.wire->set_room(window);
    device.rig->run();
    auto packets = device.packets();
    more = !packets.empty();
    for (auto& packet : packets) all.push_back(std::move(packet));
  }
  return all;
}

std::size_t published(const std::vector<ServerPacket>& packets) {
  return static_cast<std::size_t>(
      std::ranges::count(packets, mqtt::PacketType::kPublish, &ServerPacket::type));
}

}  // namespace

TEST_CASE("slow reader: gets as much as may be unsent, and the rest when it reads again") {
  ShardRig rig(small_limits());
  SimDevice device = online(rig);
  device.wire->set_room(0);
  std::vector<server::PushRecord> pushes;
  pushes.reserve(10);
  for (int i = 0; i < 10; ++i) pushes.push_back(rig.push("pc-1", of_size(1000)));
  CHECK(rig.view()->in_flight == 3);
  CHECK(rig.state(pushes[3]) == PushState::kStored);
  // It acknowledges nothing, so that reading alone has to bring the rest.
  device.wire->set_room(Wire::kNoLimit);
  rig.run();
  CHECK(published(device.packets()) == 10);
}

TEST_CASE("slow reader: the same at QoS 0, which acknowledges nothing") {
  ShardRig rig(small_limits());
  SimDevice device(rig, {});
  device.connect();
  device.subscribe(0);
  device.wire->set_room(0);
  for (int i = 0; i < 40; ++i) rig.push("pc-1", of_size(1000));
  CHECK(published(device.packets()) == 0);
  CHECK(published(read_all(device, 100'000)) == 40);
}

TEST_CASE("slow reader: a push larger than what may be unsent goes out alone") {
  ShardRig rig(small_limits());
  SimDevice device = online(rig);
  device.wire->set_room(0);
  const auto small = rig.push();
  const auto large = rig.push("pc-1", of_size(20'000));
  CHECK(rig.state(large) == PushState::kStored);
  CHECK(published(read_all(device, 100'000)) == 2);
  CHECK(rig.state(large) == PushState::kSent);
}

TEST_CASE("slow reader: what is resumed is bounded too, and comes in order") {
  ShardRig rig(small_limits());
  SimDevice first = online(rig, lasting());
  for (int i = 0; i < 16; ++i) rig.push("pc-1", of_size(1000));
  CHECK(first.packets().size() == 16);
  first.reset();
  rig.pass(std::chrono::seconds(1));
  const auto later = rig.push("pc-1", of_size(1000));
  SimDevice second(rig, lasting());
  second.wire->set_room(0);
  second.connect();
  const std::uint64_t written = rig.count(&Counters::pushes_sent) - 16;
  CHECK(written <= 4);
  const auto packets = read_all(second, 3000);
  REQUIRE(packets.size() == 17);
  for (std::uint16_t id = 1; id <= 16; ++id) {
    CHECK(packets[id].packet_id == id);
    CHECK(packets[id].dup);
  }
  // The window of 16 is full; the seventeenth waits for an acknowledgement.
  second.wire->set_room(Wire::kNoLimit);
  second.ack(1);
  CHECK(second.received() == Lines{"publish 17 " + shown(later)});
}

TEST_CASE("slow reader: is not read either, so that its answers cannot pile up") {
  ShardRig rig(small_limits());
  SimDevice device = online(rig);
  device.wire->set_room(0);
  const std::string flood = pingreq_bytes(100'000);
  device.send(flood);
  device.send(flood);
  // One read's worth was taken; the rest stays with the sender.
  CHECK(device.wire->unread() > 0);
  CHECK_FALSE(device.wire->server_reads());
  device.wire->set_room(Wire::kNoLimit);
  rig.run();
  CHECK(device.packets().size() == 200'000);
  CHECK(device.wire->server_reads());
}

TEST_CASE("slow reader: one that takes nothing for 30 s is told, closed and counted") {
  ShardRig rig(small_limits());
  ConnectSpec spec = lasting();
  spec.keep_alive_s = 300;
  SimDevice device = online(rig, spec);
  device.wire->set_room(10);
  const auto push = rig.push();
  rig.pass(seconds(29));
  CHECK(rig.view().has_value());
  rig.pass(seconds(2));
  CHECK_FALSE(rig.view().has_value());
  CHECK(rig.ended(EndReason::kSlowReader) == 1);
  rig.pass(seconds(3));
  CHECK(device.closed());
  // What it did not take it gets on its next connection.
  SimDevice next(rig, spec);
  next.connect();
  CHECK(next.received() == Lines{"connack 0 present", "publish 1 dup " + shown(push)});
}

TEST_CASE("slow reader: a slow one that does read is none") {
  ShardRig rig(small_limits());
  ConnectSpec spec;
  spec.keep_alive_s = 3600;
  SimDevice device = online(rig, spec);
  device.wire->set_room(1);
  rig.push("pc-1", of_size(1000));
  for (int i = 0; i < 30; ++i) {
    rig.pass(seconds(20));
    device.wire->set_room(1);
    rig.run();
  }
  CHECK(rig.view().has_value());
  CHECK(rig.ended(EndReason::kSlowReader) == 0);
}

TEST_CASE("slow reader: packets that are not read do not let the keep alive expire") {
  ShardRig rig(small_limits());
  ConnectSpec spec;
  spec.keep_alive_s = 10;
  SimDevice device = online(rig, spec);
  device.wire->set_room(0);
  device.send(pingreq_bytes(10'000));
  rig.pass(seconds(20));
  CHECK(rig.view().has_value());
  SUBCASE("and it counts on when they are") {
    device.wire->set_room(Wire::kNoLimit);
    rig.run();
    CHECK(rig.view().has_value());
    rig.pass(seconds(16));
    CHECK(rig.ended(EndReason::kKeepAliveExpired) == 1);
  }
  SUBCASE("but the end comes as a slow reader's") {
    rig.pass(seconds(12));
    CHECK(rig.ended(EndReason::kSlowReader) == 1);
    CHECK(rig.ended(EndReason::kKeepAliveExpired) == 0);
  }
}

TEST_CASE("slow reader: the keep alive ends a silent one before that") {
  ShardRig rig(small_limits());
  ConnectSpec spec;
  spec.keep_alive_s = 10;
  SimDevice device = online(rig, spec);
  device.wire->set_room(0);
  rig.push();
  rig.pass(seconds(17));
  CHECK(rig.ended(EndReason::kKeepAliveExpired) == 1);
}

TEST_CASE("slow reader: does not hold up others") {
  ShardRig rig(small_limits());
  SimDevice slow = online(rig, {.id = "pc-1"});
  SimDevice quick = online(rig, {.id = "pc-2"});
  slow.wire->set_room(0);
  for (int i = 0; i < 30; ++i) rig.push("pc-1", of_size(1000));
  const auto push = rig.push("pc-2");
  CHECK(quick.received() == Lines{"publish 1 " + shown(push)});
}

}  // namespace kscpush::test

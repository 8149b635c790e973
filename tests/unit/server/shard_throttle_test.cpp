// A device that sends more than it may: it is read on later, and nobody else waits for it.
#include "tests/support/net/shard_rig.hpp"

namespace kscpush::test {
namespace {

using server::Counters;
using std::chrono::seconds;

constexpr std::uint32_t kMost = 20'000;        // bytes a second
constexpr std::size_t kOneRead = 16UL << 10U;  // what is read at once may be beyond it

RigOptions bounded() {
  RigOptions options;
  options.limits.inbound_bytes_per_s = kMost;
  return options;
}

}  // namespace

TEST_CASE("throttle: who sends too much is read on in the next second, and loses nothing") {
  ShardRig rig(bounded());
  SimDevice device = online(rig);
  device.send(pingreq_bytes(50'000));
  CHECK(device.packets().size() <= (kMost + kOneRead) / 2);
  CHECK_FALSE(device.wire->server_reads());
  CHECK(rig.count(&Counters::throttled) == 1);
  rig.pass(seconds(2));
  CHECK(rig.count(&Counters::throttled) >= 2);
  rig.pass(seconds(10));
  CHECK(device.wire->unread() == 0);
  CHECK(device.wire->server_reads());
  CHECK(rig.view().has_value());
}

TEST_CASE("throttle: who stays below it is never throttled") {
  ShardRig rig(bounded());
  SimDevice device = online(rig);
  for (int i = 0; i < 20; ++i) {
    device.send(pingreq_bytes(kMost / 2 - 500));
    rig.pass(seconds(1));
  }
  CHECK(rig.count(&Counters::throttled) == 0);
}

TEST_CASE("throttle: a new connection of the same device gains nothing") {
  ShardRig rig(bounded());
  SimDevice first = online(rig);
  first.send(pingreq_bytes(50'000));
  SimDevice second = online(rig);
  CHECK(first.told_end());
  second.send(pingreq_bytes(50'000));
  CHECK(second.packets().size() <= kOneRead / 2);
  CHECK(rig.count(&Counters::throttled) == 2);
}

TEST_CASE("throttle: pushes reach it, and other devices are read") {
  ShardRig rig(bounded());
  SimDevice device = online(rig);
  SimDevice other = online(rig, {.id = "pc-2"});
  device.send(pingreq_bytes(50'000));
  static_cast<void>(device.packets());
  const auto push = rig.push();
  CHECK(device.received() == Lines{"publish 1 " + shown(push)});
  other.send(pingreq_bytes(1));
  CHECK(other.packets().size() == 1);
}

TEST_CASE("throttle: who sends on after the end of its connection is not read for long") {
  ShardRig rig(bounded());
  SimDevice device = online(rig);
  device.send(disconnect_bytes(device.spec));
  CHECK(device.told_end());
  device.send(pingreq_bytes(30'000));
  CHECK_FALSE(device.closed());
  device.send(pingreq_bytes(30'000));
  CHECK(device.closed());
}

TEST_CASE("throttle: its keep alive counts from when it is read") {
  ShardRig rig(bounded());
  ConnectSpec spec;
  spec.keep_alive_s = 10;
  SimDevice device = online(rig, spec);
  device.send(pingreq_bytes(100'000));
  rig.pass(seconds(14));
  CHECK(device.wire->unread() == 0);
  CHECK(rig.view().has_value());
  rig.pass(seconds(16));
  CHECK(rig.ended(mqtt::EndReason::kKeepAliveExpired) == 1);
}

}  // namespace kscpush::test

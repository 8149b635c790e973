// Shards without threads, sockets, disk or real time, and devices that talk to them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "server/shard.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/net/memory_store.hpp"
#include "tests/support/net/mqtt_packets.hpp"
#include "tests/support/net/sim_link.hpp"

// So that a failed comparison of packets shows them.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += "\n    " + line;
    return text.empty() ? "(nothing)" : text.c_str();
  }
};

namespace kscpush::test {

using Lines = std::vector<std::string>;

struct RigOptions {
  std::size_t shards = 1;
  std::uint32_t max_connections = 1000;
  site::ServerLimits limits{};
  MemoryStore::Commit commit = MemoryStore::Commit::kAtOnce;
  std::shared_ptr<const site::Site> site{};  // null: nothing is known of policies
};

struct PushSpec {
  std::string kind = "sync";
  std::string params = "{}";
  std::chrono::seconds ttl{900};
};

// Knows the devices pc-1, pc-2 and pc-3.
class ShardRig {
 public:
  explicit ShardRig(const RigOptions& options = {});

  // Runs the loops until nothing is left to do.
  void run();
  // Lets time pass, tick by tick, with what falls due in it.
  void pass(Duration time);
  // Stores a push and tells the device's home shard, as the server does.
  server::PushRecord push(std::string_view device = "pc-1", const PushSpec& spec = {});
  // As above, without telling anybody.
  server::PushRecord store_push(std::string_view device = "pc-1", const PushSpec& spec = {});
  [[nodiscard]] server::ProbeOrder probe_order(Duration timeout = std::chrono::seconds(5)) const {
    return {clock.wall(), timeout};
  }
  // Has the shards tell the store what they hold, as the second tick from now would.
  void write_steps() const;
  // With that; as the store has it.
  [[nodiscard]] server::PushRecord find(const server::PushRecord& push) const;
  [[nodiscard]] PushState state(const server::PushRecord& push) const { return find(push).state; }

  [[nodiscard]] server::Shard& home(std::string_view device) const;
  [[nodiscard]] std::optional<server::DeviceView> view(std::string_view device = "pc-1") const;
  // Summed over the shards.
  [[nodiscard]] std::uint64_t count(server::Counter server::Counters::*counter) const;
  [[nodiscard]] std::uint64_t ended(mqtt::EndReason reason) const;

  FakeClock clock;
  MemoryStore store;
  site::DistributionPoint dp;
  spdlog::logger log;
  server::ShardContext context;

 private:
  int last_push_ = 0;
};

[[nodiscard]] DeviceId device_id(std::string_view id);
// As SimDevice::received() shows it: "sync ID".
[[nodiscard]] std::string shown(const server::PushRecord& push);
[[nodiscard]] std::string answer(const server::PushRecord& push, std::string_view status);

struct Dial {
  std::size_t shard = 0;  // that accepts the connection
  PeerIdentity peer{};
};

// A device's end of one connection.
class SimDevice {
 public:
  SimDevice(ShardRig& rig, ConnectSpec spec, const Dial& dial = {});

  // Each lets the server work it off.
  void send(std::string_view bytes);
  void send_bytewise(std::string_view bytes);
  void connect() { send(connect_bytes(spec)); }
  void subscribe(std::uint8_t qos = 1) { send(subscribe_bytes(spec, qos)); }
  void ack(std::uint16_t packet_id) { send(puback_bytes(spec, packet_id)); }
  void publish(std::string_view payload, mqtt::UpTopic topic = mqtt::UpTopic::kResult,
               std::uint16_t packet_id = 7) {
    send(publish_bytes(spec, topic, payload, packet_id));
  }
  void close();
  void reset();

  // What has come since the last call.
  [[nodiscard]] Lines received();
  [[nodiscard]] std::vector<ServerPacket> packets();
  // The server has said that nothing follows; the socket itself is closed.
  [[nodiscard]] bool told_end() const { return wire->server_shut(); }
  [[nodiscard]] bool closed() const { return wire->server_closed(); }

  ShardRig* rig;
  ConnectSpec spec;
  WirePtr wire = std::make_shared<Wire>();

 private:
  PacketReader reader_;
};

// Connected and subscribed, nothing left to read.
[[nodiscard]] SimDevice online(ShardRig& rig, const ConnectSpec& spec = {}, const Dial& dial = {});
// A device whose session outlives its connection.
[[nodiscard]] ConnectSpec lasting(std::string id = "pc-1", std::uint32_t expiry_s = 3600);

}  // namespace kscpush::test

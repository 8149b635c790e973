#include "tests/support/net/shard_rig.hpp"

#include <algorithm>

#include <spdlog/sinks/null_sink.h>

namespace kscpush::test {

using server::Shard;

namespace {

site::DistributionPoint make_dp(const RigOptions& options) {
  site::DistributionPoint dp;
  dp.name = "dp-1";
  dp.scope_groups.push_back({"Managed devices", {}});
  dp.push_server.enabled = true;
  dp.push_server.max_connections = options.max_connections;
  dp.push_server.limits = options.limits;
  return dp;
}

}  // namespace

DeviceId device_id(std::string_view id) {
  return DeviceId::parse(id).value();
}

std::string shown(const server::PushRecord& push) {
  return fmt::format("{} {}", push.kind, push.id.str());
}

std::string answer(const server::PushRecord& push, std::string_view status) {
  return fmt::format(R"({{"id":"{}","status":"{}"}})", push.id.str(), status);
}

ConnectSpec lasting(std::string id, std::uint32_t expiry_s) {
  ConnectSpec spec;
  spec.id = std::move(id);
  spec.clean_start = false;
  spec.session_expiry_s = expiry_s;
  return spec;
}

ShardRig::ShardRig(const RigOptions& options)
    : store(clock, options.commit),
      dp(make_dp(options)),
      log("test", std::make_shared<spdlog::sinks::null_sink_mt>()),
      context{std::make_shared<const server::ShardSettings>(dp, options.site), store, clock, log,
              server::ConnectionBudget(dp.push_server.max_connections),        false, {},    {}} {
  for (const char* id : {"pc-1", "pc-2", "pc-3"}) store.add_device(device_id(id));
  for (std::size_t i = 0; i < options.shards; ++i) {
    context.shards.push_back(std::make_unique<Shard>(i, context));
  }
}

void ShardRig::run() {
  std::size_t done = 0;
  do {
    done = 0;
    for (const auto& shard : context.shards) {
      done += shard->loop().poll();
    }
  } while (done > 0);
}

void ShardRig::pass(Duration time) {
  const MonoTime end = clock.now() + time;
  const Duration step = std::max<Duration>(server::TimerWheel::kTick, time / 1000);
  run();
  while (clock.now() < end) {
    clock.advance(std::min<Duration>(step, end - clock.now()));
    for (const auto& shard : context.shards) shard->advance_time();
    run();
  }
}

server::PushRecord ShardRig::store_push(std::string_view device, const PushSpec& spec) {
  std::optional<server::PushRecord> stored;
  store.add_push({.id = Ulid::parse(fmt::format("{:026}", ++last_push_)).value(),
                  .device = device_id(device),
                  .kind = spec.kind,
                  .params = spec.params,
                  .expires = clock.wall() + spec.ttl},
                 [&](Result<server::PushRecord> push) { stored = push.value(); });
  store.commit();
  return *stored;
}

server::PushRecord ShardRig::push(std::string_view device, const PushSpec& spec) {
  const auto stored = store_push(device, spec);
  Shard& shard = home(device);
  shard.loop().post([&shard, stored] { shard.offer_pushes({stored}); });
  run();
  return stored;
}

void ShardRig::write_steps() const {
  for (const auto& shard : context.shards) shard->write_steps();
}

server::PushRecord ShardRig::find(const server::PushRecord& push) const {
  write_steps();
  return store.pushes().at(push.seq);
}

Shard& ShardRig::home(std::string_view device) const {
  return *context.shards[server::home_shard(device, context.shards.size())];
}

std::optional<server::DeviceView> ShardRig::view(std::string_view device) const {
  return home(device).view(device_id(device));
}

std::uint64_t ShardRig::count(server::Counter server::Counters::*counter) const {
  std::uint64_t sum = 0;
  for (const auto& shard : context.shards) sum += (shard->counters().*counter).get();
  return sum;
}

std::uint64_t ShardRig::ended(mqtt::EndReason reason) const {
  std::uint64_t sum = 0;
  for (const auto& shard : context.shards) {
    sum += shard->counters().ended.at(static_cast<std::size_t>(reason)).get();
  }
  return sum;
}

SimDevice::SimDevice(ShardRig& owner, ConnectSpec connect_spec, const Dial& dial)
    : rig(&owner), spec(std::move(connect_spec)), reader_(spec.version) {
  Shard& shard = *rig->context.shards.at(dial.shard);
  shard.add(SimLink::make(wire, shard.loop(), dial.peer));
  rig->run();
}

void SimDevice::send(std::string_view bytes) {
  wire->give(bytes);
  rig->run();
}

void SimDevice::send_bytewise(std::string_view bytes) {
  for (const char& byte : bytes) send({&byte, 1});
}

void SimDevice::close() {
  wire->close();
  rig->run();
}

void SimDevice::reset() {
  wire->reset();
  rig->run();
}

std::vector<ServerPacket> SimDevice::packets() {
  return reader_.take(wire->take());
}

Lines SimDevice::received() {
  Lines lines;
  for (const ServerPacket& packet : packets()) lines.push_back(to_string(packet));
  return lines;
}

SimDevice online(ShardRig& rig, const ConnectSpec& spec, const Dial& dial) {
  SimDevice device(rig, spec, dial);
  device.connect();
  device.subscribe();
  const auto packets = device.packets();
  REQUIRE(packets.size() >= 2);
  REQUIRE(packets[0].type == mqtt::PacketType::kConnack);
  REQUIRE(packets[0].code == 0);
  return device;
}

}  // namespace kscpush::test

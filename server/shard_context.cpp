#include "server/shard_context.hpp"

#include "policy/assign.hpp"
#include "server/sync/policy_book.hpp"

namespace kscpush::server {
namespace {

// Room of an MQTT packet around the largest payload: topic and properties.
constexpr std::uint32_t kPacketOverhead = 1024;

mqtt::Limits mqtt_limits(const site::PushServer& server) {
  const site::ServerLimits& limits = server.limits;
  mqtt::Limits result;
  result.packet_bytes = limits.message_bytes + kPacketOverhead;
  result.keep_alive_max_s = static_cast<std::uint16_t>(limits.keep_alive_max_s);
  result.session_expiry_max_s = limits.session_expiry_max_s;
  result.unsent_bytes = limits.unsent_bytes;
  result.subscribe_inbox = server.subscribe_inbox;
  return result;
}

}  // namespace

ShardSettings::ShardSettings(site::DistributionPoint distribution_point,
                             std::shared_ptr<const site::Site> whole)
    : dp(std::move(distribution_point)),
      mqtt_limits(server::mqtt_limits(dp.push_server)),
      site(std::move(whole)) {}

std::string ShardSettings::other_server(const DeviceRecord& device) const {
  if (!site) return {};
  const auto order = policy::assign(*site, facts_of(device));
  for (const policy::Ranked& ranked : order.ranked) {
    const site::DistributionPoint& other = *ranked.dp;
    if (other.name == dp.name || other.address.empty()) continue;
    return policy::endpoint_of(other);
  }
  return {};
}

}  // namespace kscpush::server

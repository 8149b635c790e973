// The part of a shard that tells devices their policy and hears what they made of it.
//
// The answer to up/sync is level-triggered: it says what holds now, so it is never stored, and one
// that is lost is asked for again with the next connection. One is in flight to a device; what it
// asks meanwhile is owed, and answered in full, as what it has by then is not known.
#include "core/report.hpp"
#include "core/sync.hpp"
#include "server/shard.hpp"

namespace kscpush::server {
namespace {

// Those of stored pushes and probes are never this.
constexpr std::uint64_t kPolicyToken = ProbeTable::kTokenBit;

}  // namespace

void Shard::sync(Device& device, std::string_view payload) {
  counters_.sync_requests.add();
  const auto request = decode_sync(payload);
  if (!request) {
    counters_.stray_messages.add();
    warnings_.warn("{}: {}", device.id(), request.error().message);
    return;
  }
  send_policy(device, request->revision);
}

void Shard::send_owed_policy(Device& device) {
  if (device.policy_owed) send_policy(device, "");
}

bool Shard::policy_settled(Device& device, std::uint64_t token) {
  if (token != kPolicyToken) return false;
  device.policy_in_flight = false;
  send_owed_policy(device);
  return true;
}

void Shard::send_policy(Device& device, std::string_view has) {
  device.policy_owed = true;
  if (device.policy_in_flight || device.connection == nullptr) return;
  const std::optional<std::string> params = policy_of(device, has);
  if (!params) {
    device.policy_owed = false;
    return;
  }
  const Ulid id = Ulid::generate(wall());
  std::string payload = encode_push(id, "policy", 1, kAnswerDeadline, *params);
  using Delivery = mqtt::Session::Delivery;
  switch (device.connection->deliver(
      {kPolicyToken, std::move(payload), wall() + kAnswerDeadline, id, 1}, wall())) {
    case Delivery::kSent:
      counters_.policies_sent.add();
      device.policy_owed = false;
      device.policy_in_flight = device.connection->acknowledges();
      return;
    case Delivery::kTooLarge:
      device.policy_owed = false;
      warnings_.warn("{}: its policy has {} bytes and does not fit into its maximum packet size",
                     device.id(), params->size());
      return;
    case Delivery::kExpired:
    case Delivery::kNotSubscribed:
    case Delivery::kWindowFull:
    case Delivery::kNoRoom:
      return;  // owed until it subscribes, or reads
  }
}

// Nothing: there is no configuration to tell of, or the device is gone.
std::optional<std::string> Shard::policy_of(const Device& device, std::string_view has) {
  if (settings_->site == nullptr) return std::nullopt;
  const auto found = context_.store.find_device(*DeviceId::parse(device.id()));
  if (!found) {
    context_.log.error("{}: its policy cannot be told: {}", device.id(), found.error().message);
    return std::nullopt;
  }
  if (!found->has_value()) return std::nullopt;
  return policies().answer(**found, has);
}

PolicyBook& Shard::policies() {
  if (policies_ == nullptr) policies_ = std::make_unique<PolicyBook>(settings_->site);
  return *policies_;
}

bool Shard::is_level_now(const DeviceId& id, const DeviceReport& report) {
  if (settings_->site == nullptr || !report.policy || report.policy->result != kApplied) {
    return false;
  }
  const auto found = context_.store.find_device(id);
  if (!found || !found->has_value() || !(*found)->resync) return false;
  return policies().policy(**found)->revision == report.policy->revision;
}

void Shard::missed(const DeviceId& id, WallTime lost) {
  const Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr || !context_.bring_level) return;
  if (device->connected_since > lost) context_.bring_level(id);
}

void Shard::report(Device& device, std::string_view payload) {
  auto decoded = decode_report(payload);
  if (!decoded) {
    counters_.stray_messages.add();
    warnings_.warn("{}: {}", device.id(), decoded.error().message);
    return;
  }
  if (decoded->policy) {
    counters_.policy_reports.add();
    if (decoded->policy->result != kApplied) counters_.policy_failures.add();
  }
  const DeviceId id = *DeviceId::parse(device.id());
  const bool in_sync = is_level_now(id, *decoded);
  reports_.put(id, std::move(*decoded), in_sync, wall());
}

}  // namespace kscpush::server

#include "server/sync/compliance.hpp"

#include <algorithm>

#include "core/numbers.hpp"
#include "policy/schema.hpp"

namespace kscpush::server {
namespace {

constexpr std::array<std::string_view, kCompliances> kNames{"in_sync", "pending", "failed",
                                                            "offline"};

std::chrono::minutes interval_of(const policy::EffectivePolicy& policy) {
  const std::string_view text = policy.at(policy::kSynchronizationInterval).value;
  return std::chrono::minutes(to_number<int>(text).value_or(0));
}

}  // namespace

std::string_view to_string(Compliance state) {
  return kNames.at(static_cast<std::size_t>(state));
}

std::optional<Compliance> compliance_from_name(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Compliance>(found - kNames.begin());
}

Compliance compliance_of(const policy::EffectivePolicy& desired, const DeviceRecord& device,
                         bool connected, WallTime now) {
  if (device.policy && device.policy->revision == desired.revision) {
    return device.policy->result == kApplied ? Compliance::kInSync : Compliance::kFailed;
  }
  if (connected) return Compliance::kPending;
  const bool should_be_here = desired.at(policy::kForceViaDp).value == "true";
  if (should_be_here || !device.last_seen) return Compliance::kOffline;
  return now - *device.last_seen > 2 * interval_of(desired) ? Compliance::kOffline
                                                            : Compliance::kPending;
}

}  // namespace kscpush::server

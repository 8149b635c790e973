#include "server/sync/compliance.hpp"

#include "core/names.hpp"
#include "core/numbers.hpp"
#include "policy/schema.hpp"

namespace kscpush::server {
namespace {

constexpr std::array<std::string_view, kCompliances> kNames{"in_sync", "pending", "failed",
                                                            "offline"};

// How long a device may be away that comes at intervals and misses one of them. One that may
// connect only at some times of the day comes at least once a day: which those are here is not
// known, as they are in its own time.
std::chrono::minutes longest_absence(const policy::EffectivePolicy& policy) {
  const std::string_view text = policy.at(policy::kSynchronizationInterval).value;
  const std::chrono::minutes interval(to_number<int>(text).value_or(0));
  const bool any_time = policy.at(policy::kConnect).value != policy::kAtGivenIntervals ||
                        policy.at(policy::kIntervals).value == "[]";
  return 2 * interval + (any_time ? std::chrono::days(0) : std::chrono::days(1));
}

}  // namespace

std::string_view to_string(Compliance state) {
  return kNames.at(static_cast<std::size_t>(state));
}

std::optional<Compliance> compliance_from_name(std::string_view name) {
  return named<Compliance>(kNames, name);
}

Compliance compliance_of(const policy::EffectivePolicy& desired, const DeviceRecord& device,
                         bool connected, WallTime now) {
  if (device.policy && device.policy->revision == desired.revision) {
    return device.policy->result == kApplied ? Compliance::kInSync : Compliance::kFailed;
  }
  if (connected) return Compliance::kPending;
  const bool should_be_here = desired.at(policy::kForceViaDp).value == "true";
  if (should_be_here || !device.last_seen) return Compliance::kOffline;
  return now - *device.last_seen > longest_absence(desired) ? Compliance::kOffline
                                                            : Compliance::kPending;
}

}  // namespace kscpush::server

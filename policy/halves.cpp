#include "policy/halves.hpp"

#include <algorithm>

#include "core/site/reader.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {
namespace {

Half half_of(const site::Policy* policy) {
  if (policy == nullptr) return Half::kNoPolicy;
  const site::Setting* setting = policy->find(kForceViaDp);
  if (setting == nullptr || !site::parse_bool(setting->value).value_or(false)) return Half::kOff;
  return setting->locked ? Half::kInPlace : Half::kOpen;
}

}  // namespace

const site::Policy* active_policy(const site::Site& site, std::string_view group) {
  for (std::optional<std::string_view> at = group; at; at = site::parent_group(*at)) {
    for (const site::Policy& policy : site.policies) {
      if (policy.group == *at && policy.status == site::PolicyStatus::kActive) return &policy;
    }
  }
  return nullptr;
}

PolicyHalf policy_half(const site::Site& site, const site::DistributionPoint& dp) {
  // The groups of the scope and, as each may have a policy of its own, all below them.
  std::vector<std::string_view> groups;
  for (const site::Group& group : dp.scope_groups) groups.emplace_back(group.path);
  for (const site::Group& group : site.groups) {
    if (site::in_scope(dp, group.path)) groups.emplace_back(group.path);
  }
  if (groups.empty()) return {};
  PolicyHalf worst{Half::kInPlace, active_policy(site, groups.front()), std::string()};
  for (const std::string_view group : groups) {
    const site::Policy* policy = active_policy(site, group);
    const Half half = half_of(policy);
    if (half != Half::kInPlace) return {half, policy, std::string(group)};
  }
  return worst;
}

std::vector<const site::DistributionPoint*> distribution_points_for(const site::Site& site,
                                                                    const site::Policy& policy) {
  std::vector<const site::DistributionPoint*> found;
  for (const site::DistributionPoint& dp : site.distribution_points) {
    const bool meets = std::ranges::any_of(dp.scope_groups, [&](const site::Group& group) {
      return site::within_group(group.path, policy.group) ||
             site::within_group(policy.group, group.path);
    });
    if (meets) found.push_back(&dp);
  }
  return found;
}

}  // namespace kscpush::policy

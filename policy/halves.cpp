#include "policy/halves.hpp"

#include <algorithm>

namespace kscpush::policy {

PolicyHalf policy_half_of_group(Resolver& resolver, std::string_view group) {
  const auto effective = resolver.resolve(DeviceFacts{.group = group});
  if (effective->policy == nullptr) return {Half::kNoPolicy, nullptr, {}, std::string(group)};
  const EffectiveValue& option = effective->at(kForceViaDp);
  const Half half = option.value != "true" ? Half::kOff
                    : option.locked        ? Half::kInPlace
                                           : Half::kOpen;
  const bool is_set = option.policy != nullptr;
  return {half, is_set ? option.policy : effective->policy,
          is_set ? option.origin : effective->policy->origin, std::string(group)};
}

std::vector<std::string_view> groups_in_scope(const site::Site& site,
                                              const site::DistributionPoint& dp) {
  std::vector<std::string_view> groups;
  const auto add = [&](std::string_view group) {
    if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
  };
  for (const site::Group& group : dp.scope_groups) add(group.path);
  const bool any = !dp.network_locations.empty();
  if (any) add(site::kRootGroup);
  for (const site::Group& group : site.groups) {
    if (any || site::in_scope(dp, group.path)) add(group.path);
  }
  return groups;
}

PolicyHalf policy_half(const site::Site& site, const site::DistributionPoint& dp) {
  Resolver resolver(site);
  PolicyHalf first;
  for (const std::string_view group : groups_in_scope(site, dp)) {
    PolicyHalf half = policy_half_of_group(resolver, group);
    if (half.half != Half::kInPlace) return half;
    if (first.group.empty()) first = std::move(half);
  }
  return first;
}

std::string option_command(const site::Site& site, const site::Policy& policy) {
  std::string command = "kscpush policy set force-via-dp";
  if (site.policies.size() > 1) {
    command += fmt::format(" --policy '{}' --group '{}'", policy.name, policy.group);
  }
  return command;
}

std::vector<const site::DistributionPoint*> distribution_points_for(const site::Site& site,
                                                                    const site::Policy& policy) {
  std::vector<const site::DistributionPoint*> found;
  for (const site::DistributionPoint& dp : site.distribution_points) {
    const bool meets = !dp.network_locations.empty() ||
                       std::ranges::any_of(dp.scope_groups, [&](const site::Group& group) {
                         return site::within_group(group.path, policy.group) ||
                                site::within_group(policy.group, group.path);
                       });
    if (meets) found.push_back(&dp);
  }
  return found;
}

}  // namespace kscpush::policy

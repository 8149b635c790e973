#include "core/site/model.hpp"

#include <algorithm>

namespace kscpush::site {
namespace {

bool is_windows(std::string_view platform) {
  constexpr std::string_view kWindows = "windows";
  return platform.size() >= kWindows.size() &&
         std::ranges::equal(platform.substr(0, kWindows.size()), kWindows,
                            [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

std::string_view to_string(PolicyStatus status) {
  switch (status) {
    case PolicyStatus::kActive:
      return "active";
    case PolicyStatus::kInactive:
      return "inactive";
    case PolicyStatus::kOutOfOffice:
      return "out_of_office";
  }
  return "";
}

const Setting* Policy::find(std::string_view path) const {
  const auto found = std::ranges::find(settings, path, &Setting::path);
  return found == settings.end() ? nullptr : &*found;
}

const DistributionPoint* Site::find_distribution_point(std::string_view name) const {
  const auto found = std::ranges::find(distribution_points, name, &DistributionPoint::name);
  return found == distribution_points.end() ? nullptr : &*found;
}

bool Site::has_group(std::string_view group) const {
  return group == kRootGroup || std::ranges::find(groups, group, &Group::path) != groups.end();
}

bool within_group(std::string_view group, std::string_view ancestor) {
  return group.starts_with(ancestor) &&
         (group.size() == ancestor.size() || group[ancestor.size()] == '/');
}

std::optional<std::string_view> parent_group(std::string_view group) {
  const std::size_t slash = group.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return group.substr(0, slash);
}

const NetworkLocation* location_of(const DistributionPoint& dp, const Whereabouts& device) {
  if (dp.network_locations.empty() || !is_windows(device.platform)) return nullptr;
  const auto address = parse_ip(device.address);
  if (!address) return nullptr;
  for (const NetworkLocation& location : dp.network_locations) {
    for (const NetworkLocation::Subnet& subnet : location.subnets) {
      if (subnet.network.contains(*address)) return &location;
    }
  }
  return nullptr;
}

bool in_scope(const DistributionPoint& dp, const Whereabouts& device) {
  return in_scope(dp, device.group) || location_of(dp, device) != nullptr;
}

bool in_scope(const DistributionPoint& dp, std::string_view group) {
  return std::ranges::any_of(dp.scope_groups,
                             [&](const Group& g) { return within_group(group, g.path); });
}

}  // namespace kscpush::site

#include "policy/capacity.hpp"

#include <algorithm>
#include <cmath>

#include "policy/assign.hpp"

namespace kscpush::policy {
namespace {

constexpr std::uint64_t kFewDevices = 300;

void add_points(SharingGroup& group, const std::vector<const site::DistributionPoint*>& dps) {
  std::uint64_t largest = 0;
  for (const site::DistributionPoint* dp : dps) {
    const std::uint64_t own = dp->push_server.max_connections;
    group.points.push_back({dp, 0, own});
    group.capacity += own;
    largest = std::max(largest, own);
  }
  group.capacity_without_largest = group.capacity - largest;
}

}  // namespace

PointsAdvice points_advice(std::uint64_t devices) {
  if (devices < kFewDevices) return {};
  return {devices / site::kDevicesPerPoint + 1, devices / 5'000 + 2,
          std::max<std::uint64_t>(3, devices / kFewDevices + 1)};
}

Capacity capacity(const site::Site& site, const DevicesByGroup& devices) {
  Capacity result;
  std::map<std::string, SharingGroup, std::less<>> groups;
  const auto group_of = [&](std::string_view name) -> SharingGroup* {
    const Candidates candidates = candidates_for(site, name);
    if (candidates.dps.empty()) return nullptr;
    auto [at, fresh] = groups.try_emplace(std::string(candidates.group));
    if (fresh) {
      at->second.group = candidates.group;
      add_points(at->second, candidates.dps);
    }
    return &at->second;
  };
  group_of(site::kRootGroup);
  for (const site::Group& group : site.groups) group_of(group.path);
  for (const auto& [name, count] : devices) {
    if (SharingGroup* group = group_of(name)) {
      group->devices += count;
    } else if (count > 0) {
      result.without_push_server[name] += count;
    }
  }
  std::map<const site::DistributionPoint*, double> all;
  for (auto& [name, group] : groups) {
    for (PointLoad& point : group.points) {
      const double share = static_cast<double>(group.devices) *
                           static_cast<double>(point.capacity) /
                           static_cast<double>(group.capacity);
      point.expected = static_cast<std::uint64_t>(std::llround(share));
      all[point.dp] += share;
    }
    result.groups.push_back(std::move(group));
  }
  for (const site::DistributionPoint& dp : site.distribution_points) {
    if (!dp.push_server.enabled) continue;
    const auto found = all.find(&dp);
    result.points.push_back(
        {&dp, found == all.end() ? 0 : static_cast<std::uint64_t>(std::llround(found->second)),
         dp.push_server.max_connections});
  }
  return result;
}

}  // namespace kscpush::policy

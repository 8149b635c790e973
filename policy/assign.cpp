#include "policy/assign.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace kscpush::policy {
namespace {

constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325U;
constexpr std::uint64_t kFnvPrime = 0x100000001b3U;

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return hash;
}

// FNV's upper bits hardly depend on the last characters, and ids often differ in these alone.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// The group is one of those that its scope names.
bool serves(const site::DistributionPoint& dp, std::string_view group) {
  return std::ranges::find(dp.scope_groups, group, &site::Group::path) != dp.scope_groups.end();
}

}  // namespace

double rendezvous_fraction(std::string_view device_id, std::string_view dp_name) {
  std::uint64_t hash = fnv1a(device_id, kFnvStart);
  hash = fnv1a(std::string_view("\0", 1), hash);
  hash = mix(fnv1a(dp_name, hash));
  return (static_cast<double>(hash >> 11U) + 0.5) / 9007199254740992.0;  // 2^53
}

std::string endpoint_of(const site::DistributionPoint& dp) {
  const bool v6 = dp.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", dp.address, v6 ? "]" : "",
                     dp.push_server.port.value());
}

std::vector<std::string> endpoints_of(const std::vector<Ranked>& ranked) {
  std::vector<std::string> endpoints;
  for (const Ranked& one : ranked) {
    if (!one.dp->address.empty()) endpoints.push_back(endpoint_of(*one.dp));
  }
  return endpoints;
}

Candidates candidates_for(const site::Site& site, std::string_view group) {
  for (std::optional<std::string_view> at = group; at; at = site::parent_group(*at)) {
    Candidates found{*at, {}};
    for (const site::DistributionPoint& dp : site.distribution_points) {
      if (!dp.push_server.enabled) continue;
      if (serves(dp, *at)) found.dps.push_back(&dp);
    }
    if (!found.dps.empty()) return found;
  }
  return {};
}

Candidates candidates_for(const site::Site& site, const DeviceFacts& device) {
  Candidates located{device.group, {}};
  bool any = false;
  for (const site::DistributionPoint& dp : site.distribution_points) {
    if (!dp.push_server.enabled) continue;
    const bool here = site::location_of(dp, device.whereabouts()) != nullptr;
    any = any || here;
    if (here || serves(dp, device.group)) located.dps.push_back(&dp);
  }
  return any ? located : candidates_for(site, device.group);
}

std::vector<Ranked> rank(const std::vector<const site::DistributionPoint*>& dps,
                         std::string_view device_id) {
  std::vector<Ranked> ranked;
  for (const site::DistributionPoint* dp : dps) {
    const double weight = dp->push_server.max_connections;
    ranked.push_back({dp, -weight / std::log(rendezvous_fraction(device_id, dp->name))});
  }
  std::ranges::sort(ranked, [](const Ranked& a, const Ranked& b) {
    return a.score != b.score ? a.score > b.score : a.dp->name < b.dp->name;
  });
  return ranked;
}

Assignment assign(const site::Site& site, const DeviceFacts& device) {
  const Candidates candidates = candidates_for(site, device);
  return {candidates.group, rank(candidates.dps, device.id)};
}

}  // namespace kscpush::policy

#include "cli/dp/view.hpp"

#include "core/site/ports.hpp"
#include "policy/halves.hpp"

namespace kscpush::cli {
namespace {

using policy::Half;

std::string_view name_of(Half half) {
  switch (half) {
    case Half::kInPlace:
      return "in place";
    case Half::kOff:
      return "off";
    case Half::kOpen:
      return "on, but open";
    case Half::kNoPolicy:
      return "no active policy";
    case Half::kNoScope:
      return "no scope";
  }
  return "";
}

nlohmann::json scope_json(const site::DistributionPoint& dp) {
  std::vector<std::string> shown;
  nlohmann::json groups = nlohmann::json::array();
  for (const site::Group& group : dp.scope_groups) {
    groups.push_back(group.path);
    shown.push_back(group.path);
  }
  nlohmann::json locations = nlohmann::json::array();
  for (const site::NetworkLocation& location : dp.network_locations) {
    std::vector<std::string> subnets;
    for (const auto& subnet : location.subnets) subnets.push_back(subnet.text);
    locations.push_back({{"name", location.name}, {"subnets", subnets}});
    shown.push_back(fmt::format("network location '{}'", location.name));
  }
  return {{"groups", std::move(groups)},
          {"network_locations", std::move(locations)},
          {"text", fmt::format("{}", fmt::join(shown, ", "))}};
}

nlohmann::json ports_json(const site::DistributionPoint& dp) {
  nlohmann::json ports = nlohmann::json::array();
  for (const site::UsedPort& used : site::used_ports(dp)) {
    ports.push_back({{"transport", site::to_string(used.transport)},
                     {"port", used.port.value()},
                     {"service", used.service}});
  }
  return ports;
}

std::string ports_text(const site::DistributionPoint& dp) {
  std::vector<std::string> shown;
  for (const site::UsedPort& used : site::used_ports(dp)) {
    shown.push_back(
        fmt::format("{} {} {}", site::to_string(used.transport), used.port.value(), used.service));
  }
  return fmt::format("{}", fmt::join(shown, ", "));
}

}  // namespace

nlohmann::json to_json(const SiteFile& file, const site::DistributionPoint& dp) {
  const auto half = policy::policy_half(file.site, dp);
  const auto paths = site::server_paths(dp, file.folder());
  const auto& admin = dp.push_server.admin.listen;
  return {{"name", dp.name},
          {"address", dp.address},
          {"scope", scope_json(dp)},
          {"ports", ports_json(dp)},
          {"ports_text", ports_text(dp)},
          {"max_devices", dp.max_devices},
          {"push_server",
           {{"enabled", dp.push_server.enabled},
            {"port", dp.push_server.port.value()},
            {"max_connections", dp.push_server.max_connections},
            {"listen", dp.push_server.listen},
            {"admin", fmt::format("{}:{}", admin.host, admin.port.value())},
            {"certificate", paths.certificate.string()},
            {"state_directory", paths.state_directory.string()}}},
          {"force_via_dp", name_of(half.half)}};
}

std::string describe_policy_half(const site::Site& site, const site::DistributionPoint& dp) {
  const auto half = policy::policy_half(site, dp);
  const std::string where = to_string(half.origin);
  switch (half.half) {
    case Half::kInPlace:
      return fmt::format("The other half is in place: policy '{}' locks force-via-dp on ({}).",
                         half.policy->name, where);
    case Half::kOff:
      return fmt::format(
          "The other half is missing: for group '{}' policy '{}' leaves force-via-dp off ({}).\n"
          "Agents will not connect until it is on: {}",
          half.group, half.policy->name, where, policy::option_command(site, *half.policy));
    case Half::kOpen:
      return fmt::format(
          "The other half is not certain: for group '{}' policy '{}' sets force-via-dp, but open; "
          "a device may overwrite it ({}).\nLock it: {}",
          half.group, half.policy->name, where, policy::option_command(site, *half.policy));
    case Half::kNoPolicy:
      return fmt::format(
          "The other half is missing: no active Network Agent policy acts on group '{}'.",
          half.group);
    case Half::kNoScope:
      return fmt::format(
          "'{}' has no scope: no device will use it. Give it scope.groups or "
          "scope.network_locations.",
          dp.name);
  }
  return "";
}

}  // namespace kscpush::cli

#include "server/admin/targets.hpp"

#include <algorithm>

#include "server/admin/call.hpp"
#include "server/sync/policy_book.hpp"

namespace kscpush::server {
namespace {

using nlohmann::json;

constexpr std::size_t kPage = 10'000;

Result<std::vector<DeviceId>> read_ids(const json& body) {
  const auto texts = texts_field(body, "devices");
  if (!texts) return fail(texts.error());
  if ((*texts)->empty() || (*texts)->size() > Targets::kMostListed) {
    return fail(ErrorCode::kUsage, "'devices' must be a list of 1 to {} device ids",
                Targets::kMostListed);
  }
  std::vector<DeviceId> devices;
  devices.reserve((*texts)->size());
  for (const std::string& text : **texts) {
    auto id = DeviceId::parse(text);
    if (!id) return fail(within(fmt::format("devices[{}]", devices.size()), id.error()));
    devices.push_back(std::move(*id));
  }
  // Twice is once.
  std::vector<const DeviceId*> sorted;
  for (const DeviceId& id : devices) sorted.push_back(&id);
  std::ranges::sort(sorted, [](const DeviceId* a, const DeviceId* b) { return *a < *b; });
  const auto twice = std::ranges::adjacent_find(
      sorted, [](const DeviceId* a, const DeviceId* b) { return *a == *b; });
  if (twice == sorted.end()) return devices;
  return fail(ErrorCode::kUsage, "'devices' has '{}' twice", (*twice)->str());
}

Result<policy::Condition> read_select(const std::string& text) {
  auto condition = policy::Condition::parse(text);
  if (condition) return std::move(*condition);
  return fail(
      {ErrorCode::kUsage,
       fmt::format("'select', column {}: {}", condition.error().column, condition.error().message),
       condition.error().hint});
}

}  // namespace

const std::vector<std::string>& Targets::fields() {
  static const std::vector<std::string> kFields{"devices", "group", "select", "all"};
  return kFields;
}

Result<Targets> read_targets(const json& body, const site::Site& site) {
  const auto given = std::ranges::count_if(
      Targets::fields(), [&](const std::string& name) { return body.contains(name); });
  if (given != 1) {
    return fail({ErrorCode::kUsage,
                 fmt::format("{} of 'devices', 'group', 'select' and 'all' are given", given),
                 "say in one of them which devices are meant"});
  }
  Targets targets;
  const auto group = text_field(body, "group");
  if (!group) return fail(group.error());
  const auto select = text_field(body, "select");
  if (!select) return fail(select.error());
  const auto all = bool_field(body, "all");
  if (!all) return fail(all.error());
  if (group->has_value()) {
    if (auto known = check_group(site, **group); !known) return fail(known.error());
    targets.group = **group;
    targets.as_asked["group"] = targets.group;
  } else if (select->has_value()) {
    auto condition = read_select(**select);
    if (!condition) return fail(condition.error());
    targets.select = std::move(*condition);
    targets.as_asked["select"] = **select;
  } else if (all->has_value()) {
    if (!**all) return fail(ErrorCode::kUsage, "'all' can only be true");
    targets.as_asked["all"] = true;
  } else {
    auto devices = read_ids(body);
    if (!devices) return fail(devices.error());
    targets.devices = std::move(*devices);
    targets.as_asked["devices"] = targets.devices.size();
  }
  return targets;
}

Result<std::vector<DeviceId>> resolve(const Targets& targets, const Store& store,
                                      const site::DistributionPoint& dp, std::size_t most) {
  if (targets.listed()) return targets.devices;
  const DeviceFilter filter{.group = targets.group, .revoked = false};
  std::vector<DeviceId> devices;
  std::string after;
  do {
    auto page = store.list_devices(filter, after, kPage);
    if (!page) return fail(page.error());
    for (DeviceRecord& device : page->devices) {
      const policy::DeviceFacts facts = facts_of(device);
      if (!site::in_scope(dp, facts.whereabouts())) continue;
      if (targets.select && !targets.select->holds(facts)) continue;
      if (devices.size() == most) {
        return fail({ErrorCode::kTooLarge, fmt::format("more than {} devices are meant", most),
                     "name fewer: a group, or a condition that holds of fewer"});
      }
      devices.push_back(std::move(device.id));
    }
    after = std::move(page->next);
  } while (!after.empty());
  return devices;
}

}  // namespace kscpush::server

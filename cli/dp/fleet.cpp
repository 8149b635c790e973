#include "cli/dp/fleet.hpp"

#include <algorithm>
#include <unordered_set>

#include "cli/device/registry.hpp"
#include "core/json_text.hpp"

namespace kscpush::cli {
Result<Fleet> Fleet::from_registry(const SiteFile& file, const std::string& dp,
                                   const Context& context) {
  const auto registries = Registry::candidates(file, dp, context);
  if (!registries) return fail(registries.error());
  Fleet fleet;
  std::unordered_set<std::string> known;
  bool asked = false;
  Error why{ErrorCode::kNotFound, "there is no registry yet", ""};
  for (const Registry& registry : *registries) {
    if (dp.empty() && !registry.may_exist()) continue;
    const auto listed = registry.list({}, [&](const nlohmann::json& devices) {
      for (const auto& device : devices) {
        const std::string id = text_of(device, "id");
        if (!known.insert(id).second) continue;
        fleet.devices_.push_back({id, text_of(device, "group"), text_of(device, "platform"),
                                  text_of(device, "address")});
      }
    });
    if (!listed && !dp.empty()) return fail(listed.error());
    if (!listed) why = listed.error();
    asked = asked || listed;
  }
  if (!asked) return fail(std::move(why));
  return fleet;
}

std::size_t Fleet::assume(const Subject& subject) {
  Device device{subject.id, subject.group, subject.platform, subject.address};
  const auto known = std::ranges::find(devices_, subject.id, &Device::id);
  const auto index = static_cast<std::size_t>(known - devices_.begin());
  if (known == devices_.end()) {
    devices_.push_back(std::move(device));
  } else {
    *known = std::move(device);
  }
  return index;
}

std::vector<policy::DeviceFacts> Fleet::facts() const {
  std::vector<policy::DeviceFacts> all;
  all.reserve(devices_.size());
  for (const Device& device : devices_) {
    all.push_back({device.id, device.group, device.platform, device.address, {}});
  }
  return all;
}

policy::DevicesByGroup Fleet::counts() const {
  policy::DevicesByGroup counts;
  for (const Device& device : devices_) ++counts[device.group];
  return counts;
}

}  // namespace kscpush::cli

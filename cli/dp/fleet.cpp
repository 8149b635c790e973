#include "cli/dp/fleet.hpp"

#include <algorithm>

#include "cli/device/registry.hpp"

namespace kscpush::cli {
namespace {

std::string text(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<Fleet> Fleet::from_registry(const std::string& dp, const Context& context) {
  const auto registry = Registry::open(dp, context);
  if (!registry) return fail(registry.error());
  const auto list = registry->list();
  if (!list) return fail(list.error());
  Fleet fleet;
  fleet.devices_.reserve(list->size());
  for (const auto& device : *list) {
    fleet.devices_.push_back({text(device, "id"), text(device, "group"), text(device, "platform"),
                              text(device, "address")});
  }
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

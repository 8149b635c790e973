#include "server/sync/policy_book.hpp"

#include <nlohmann/json.hpp>

#include "core/sync.hpp"
#include "policy/assign.hpp"
#include "policy/merge.hpp"

namespace kscpush::server {
namespace {

std::string without_brace(std::string object) {
  object.pop_back();
  return object;
}

}  // namespace

policy::DeviceFacts facts_of(const DeviceRecord& device) {
  return {device.id.str(), device.group, device.platform, device.address, device.tags};
}

PolicyBook::PolicyBook(std::shared_ptr<const site::Site> site)
    : site_(std::move(site)), resolver_(*site_) {}

std::shared_ptr<const policy::EffectivePolicy> PolicyBook::policy(const DeviceRecord& device) {
  return resolver_.resolve(facts_of(device));
}

std::string PolicyBook::answer(const DeviceRecord& device, std::string_view has) {
  const auto effective = policy(device);
  auto found = written_.find(effective.get());
  if (found == written_.end()) {
    const PolicyMessage same{.revision = effective->revision};
    const PolicyMessage full{effective->revision, policy::values_of(*effective), {}};
    found = written_
                .emplace(effective.get(),
                         Written{without_brace(encode(same)), without_brace(encode(full))})
                .first;
  }
  std::string text = has == effective->revision ? found->second.same : found->second.full;
  if (const auto list = servers(device); !list.empty()) {
    text += ",\"servers\":" +
            nlohmann::json(list).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return text + '}';
}

bool PolicyBook::same_answer(const DeviceRecord& one, const DeviceRecord& other) {
  return policy(one)->revision == policy(other)->revision && servers(one) == servers(other);
}

std::vector<std::string> PolicyBook::servers(const DeviceRecord& device) const {
  return policy::endpoints_of(policy::assign(*site_, facts_of(device)).ranked);
}

}  // namespace kscpush::server

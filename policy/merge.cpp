#include "policy/merge.hpp"

namespace kscpush::policy {

PolicyValues values_of(const EffectivePolicy& policy) {
  PolicyValues values;
  for (const EffectiveValue& value : policy.values) {
    values.emplace(value.row->path, PolicyValue{std::string(value.value), value.locked});
  }
  return values;
}

std::map<std::string, std::string> merge(const PolicyValues& policy,
                                         const ReportedSettings& local) {
  std::map<std::string, std::string> merged = local;
  for (const auto& [path, setting] : policy) {
    if (setting.locked) {
      merged.insert_or_assign(path, setting.value);
    } else {
      merged.emplace(path, setting.value);
    }
  }
  return merged;
}

}  // namespace kscpush::policy

#include "policy/edit.hpp"

#include "core/yaml/editor.hpp"

namespace kscpush::policy {
namespace {

constexpr std::string_view kLockTag = "!locked";

// policies[i].settings, then the levels of the setting's own path.
yaml::Path path_of(const site::Policy& policy, const SettingRow& row) {
  yaml::Path path{"policies", policy.index, "settings"};
  std::string_view rest = row.path;
  while (!rest.empty()) {
    const std::string_view level = rest.substr(0, rest.find('.'));
    path.emplace_back(std::string(level));
    rest.remove_prefix(std::min(level.size() + 1, rest.size()));
  }
  return path;
}

}  // namespace

Result<std::string> set_setting(const yaml::Document& document, const site::Policy& policy,
                                const SettingRow& row, const std::string& value, Lock lock) {
  const site::Setting* const present = policy.find(row.path);
  const bool locked =
      lock == Lock::kLocked || (lock == Lock::kKeep && present != nullptr && present->locked);
  yaml::NewNode node;
  node.value = value;
  node.text = row.type == Type::kText;
  if (locked) node.tag = kLockTag;
  return yaml::set(document, path_of(policy, row), node);
}

Result<std::string> unset_setting(const yaml::Document& document, const site::Policy& policy,
                                  const SettingRow& row) {
  return yaml::remove(document, path_of(policy, row), /*keep=*/3);
}

Result<std::string> lock_setting(const yaml::Document& document, const site::Policy& policy,
                                 const SettingRow& row, bool locked) {
  if (policy.find(row.path) == nullptr) {
    return fail({ErrorCode::kNotFound,
                 fmt::format("policy '{}' does not set {}", policy.name, row.path),
                 fmt::format("set it with: kscpush policy set {} VALUE",
                             row.short_name.empty() ? row.path : row.short_name)});
  }
  return yaml::set_tag(document, path_of(policy, row), locked ? kLockTag : "");
}

}  // namespace kscpush::policy

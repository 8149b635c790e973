#include "policy/edit.hpp"

#include "core/site/edit.hpp"

namespace kscpush::policy {
namespace {

constexpr std::string_view kLockTag = "!locked";

// policies[i].settings, then the levels of the setting's own path.
yaml::Path path_of(const site::Policy& policy, const SettingRow& row) {
  yaml::Path path{"policies", policy.place.index, "settings"};
  std::string_view rest = row.path;
  while (!rest.empty()) {
    const std::string_view level = rest.substr(0, rest.find('.'));
    path.emplace_back(std::string(level));
    rest.remove_prefix(std::min(level.size() + 1, rest.size()));
  }
  return path;
}

yaml::NewNode scalar_node(const std::string& value, bool text) {
  yaml::NewNode node;
  node.value = value;
  node.text = text;
  return node;
}

yaml::NewNode node_of(const SettingRow& row, const std::string& value) {
  const Kind kind = row.type.kind;
  if (kind != Kind::kTexts) {
    return scalar_node(value, kind == Kind::kText || kind == Kind::kChoice);
  }
  yaml::NewNode list;
  list.kind = yaml::Kind::kSequence;
  for (const std::string& item : list_items(value)) list.items.push_back(scalar_node(item, true));
  return list;
}

}  // namespace

site::Edited set_setting(const site::Sources& sources, const site::Policy& policy,
                         const SettingRow& row, const std::string& value, Lock lock) {
  const site::Setting* const present = policy.find(row.path);
  const bool locked =
      lock == Lock::kLocked || (lock == Lock::kKeep && present != nullptr && present->locked);
  yaml::NewNode node = node_of(row, value);
  if (locked) node.tag = kLockTag;
  return site::set(sources, policy.place.document, path_of(policy, row), node);
}

site::Edited unset_setting(const site::Sources& sources, const site::Policy& policy,
                           const SettingRow& row) {
  return site::remove(sources, policy.place.document, path_of(policy, row), /*keep=*/3);
}

site::Edited lock_setting(const site::Sources& sources, const site::Policy& policy,
                          const SettingRow& row, bool locked) {
  if (policy.find(row.path) == nullptr) {
    return fail({ErrorCode::kNotFound,
                 fmt::format("policy '{}' does not set {}", policy.name, row.path),
                 fmt::format("set it with: kscpush policy set {} VALUE",
                             row.short_name.empty() ? row.path : row.short_name)});
  }
  return sources.edit(policy.place.document, [&](const yaml::Document& document) {
    return yaml::set_tag(document, path_of(policy, row), locked ? kLockTag : "");
  });
}

site::Edited add_policy(const site::Sources& sources, const site::Site& site,
                        const std::string& name, const std::string& group,
                        site::PolicyStatus status) {
  for (const site::Policy& other : site.policies) {
    if (other.group != group) continue;
    const bool both_active =
        status == site::PolicyStatus::kActive && other.status == site::PolicyStatus::kActive;
    if (other.name != name && !both_active) continue;
    return fail(
        {ErrorCode::kConflict,
         fmt::format("group '{}' has {} policy '{}' already ({})", group,
                     other.name == name ? "a" : "an active", other.name, to_string(other.origin)),
         both_active ? "one active policy per group: add this one with --status inactive" : ""});
  }
  yaml::NewNode policy;
  policy.kind = yaml::Kind::kMapping;
  policy.entries.emplace_back("name", scalar_node(name, true));
  policy.entries.emplace_back("group", scalar_node(group, true));
  policy.entries.emplace_back("status", scalar_node(std::string(site::to_string(status)), true));
  const site::Place place = site::next_place(site.policies);
  return site::set(sources, place.document, {"policies", place.index}, policy);
}

site::Edited remove_policy(const site::Sources& sources, const site::Policy& policy) {
  return site::remove(sources, policy.place.document, {"policies", policy.place.index},
                      /*keep=*/1);
}

}  // namespace kscpush::policy

#include "core/site/edit.hpp"

#include <algorithm>

namespace kscpush::site {
namespace {

// Applies edits one after the other: each sees what the one before it left.
class Edits {
 public:
  Edits(const Sources& sources, std::size_t document) : sources_(sources), document_(document) {}

  void set(const yaml::Path& path, std::string value, bool text) {
    if (!sources_) return;
    yaml::NewNode node;
    node.value = std::move(value);
    node.text = text;
    sources_ = site::set(*sources_, document_, path, node);
  }

  [[nodiscard]] Edited result() const { return sources_; }

 private:
  Edited sources_;
  std::size_t document_;
};

}  // namespace

Edited set(const Sources& sources, std::size_t document, const yaml::Path& path,
           const yaml::NewNode& value) {
  return sources.edit(document,
                      [&](const yaml::Document& old) { return yaml::set(old, path, value); });
}

Edited remove(const Sources& sources, std::size_t document, const yaml::Path& path,
              std::size_t keep) {
  return sources.edit(document,
                      [&](const yaml::Document& old) { return yaml::remove(old, path, keep); });
}

Edited change(const Sources& sources, const DistributionPoint& dp,
              const DistributionPointChange& change) {
  const yaml::Path base{"distribution_points", dp.place.index};
  const auto at = [&](std::initializer_list<const char*> keys) {
    yaml::Path path = base;
    for (const char* key : keys) path.emplace_back(std::string(key));
    return path;
  };
  Edits edits(sources, dp.place.document);
  if (change.address) edits.set(at({"address"}), *change.address, true);
  if (change.enabled) {
    edits.set(at({"push_server", "enabled"}), *change.enabled ? "true" : "false", false);
  }
  if (change.port) {
    edits.set(at({"push_server", "port"}), std::to_string(change.port->value()), false);
  }
  if (change.max_connections) {
    edits.set(at({"push_server", "max_connections"}), std::to_string(*change.max_connections),
              false);
  }
  return edits.result();
}

namespace {

yaml::NewNode text_node(const std::string& value) {
  yaml::NewNode node;
  node.value = value;
  node.text = true;
  return node;
}

}  // namespace

Edited add_distribution_point(const Sources& sources, const Site& site, const std::string& name,
                              const std::string& address, const std::vector<std::string>& groups) {
  if (site.find_distribution_point(name) != nullptr) {
    return fail({ErrorCode::kConflict,
                 fmt::format("there is a distribution point '{}' already", name),
                 fmt::format("see it with: kscpush dp show {}", name)});
  }
  yaml::NewNode list;
  list.kind = yaml::Kind::kSequence;
  for (const std::string& group : groups) list.items.push_back(text_node(group));
  yaml::NewNode scope;
  scope.kind = yaml::Kind::kMapping;
  scope.entries.emplace_back("groups", std::move(list));
  yaml::NewNode enabled;
  enabled.value = "false";
  yaml::NewNode push_server;
  push_server.kind = yaml::Kind::kMapping;
  push_server.entries.emplace_back("enabled", std::move(enabled));
  yaml::NewNode dp;
  dp.kind = yaml::Kind::kMapping;
  dp.entries.emplace_back("name", text_node(name));
  dp.entries.emplace_back("address", text_node(address));
  dp.entries.emplace_back("scope", std::move(scope));
  dp.entries.emplace_back("push_server", std::move(push_server));
  const Place place = next_place(site.distribution_points);
  return set(sources, place.document, {"distribution_points", place.index}, dp);
}

Edited remove_distribution_point(const Sources& sources, const DistributionPoint& dp) {
  return remove(sources, dp.place.document, {"distribution_points", dp.place.index}, /*keep=*/1);
}

namespace {

yaml::Path scope_path(const DistributionPoint& dp, std::size_t item) {
  return {"distribution_points", dp.place.index, "scope", "groups", item};
}

std::size_t find_scope(const DistributionPoint& dp, const std::string& group) {
  const auto found = std::ranges::find(dp.scope_groups, group, &Group::path);
  return static_cast<std::size_t>(found - dp.scope_groups.begin());
}

}  // namespace

Edited add_scope_group(const Sources& sources, const Site& site, const DistributionPoint& dp,
                       const std::string& group) {
  if (!site.has_group(group)) {
    std::vector<std::string> known{std::string(kRootGroup)};
    for (const Group& declared : site.groups) known.push_back(declared.path);
    return fail({ErrorCode::kNotFound,
                 fmt::format("no group '{}' is declared{}", group, suggestion(group, known)),
                 "declare it with: kscpush group add"});
  }
  const std::size_t index = find_scope(dp, group);
  if (index < dp.scope_groups.size()) return sources;
  return set(sources, dp.place.document, scope_path(dp, index), text_node(group));
}

Edited remove_scope_group(const Sources& sources, const DistributionPoint& dp,
                          const std::string& group) {
  const std::size_t index = find_scope(dp, group);
  if (index == dp.scope_groups.size()) return sources;
  return remove(sources, dp.place.document, scope_path(dp, index), /*keep=*/2);
}

Edited add_group(const Sources& sources, const Site& site, const std::string& group) {
  if (site.has_group(group)) {
    return fail({ErrorCode::kConflict, fmt::format("there is a group '{}' already", group), ""});
  }
  if (!within_group(group, kRootGroup)) {
    return fail({ErrorCode::kUsage, fmt::format("group '{}' is not below '{}'", group, kRootGroup),
                 fmt::format("write '{}/{}'", kRootGroup, group)});
  }
  // From the top, so that a parent always stands in front of its subgroups.
  std::vector<std::string> missing;
  for (std::optional<std::string_view> at = group; at && !site.has_group(*at);
       at = parent_group(*at)) {
    missing.insert(missing.begin(), std::string(*at));
  }
  Place place = next_place(site.groups);
  Edits edits(sources, place.document);
  for (const std::string& name : missing) edits.set({"groups", place.index++}, name, true);
  return edits.result();
}

Edited remove_group(const Sources& sources, const Site& site, const std::string& group) {
  const auto used = [&](const Origin& origin, std::string_view by) {
    return fail({ErrorCode::kConflict,
                 fmt::format("group '{}' is still used by {} ({})", group, by, to_string(origin)),
                 "remove that first"});
  };
  for (const Group& other : site.groups) {
    if (other.path != group && within_group(other.path, group)) {
      return used(other.origin, fmt::format("its subgroup '{}'", other.path));
    }
  }
  for (const DistributionPoint& dp : site.distribution_points) {
    for (const Group& scope : dp.scope_groups) {
      if (scope.path == group) return used(scope.origin, fmt::format("the scope of '{}'", dp.name));
    }
  }
  for (const Policy& policy : site.policies) {
    if (policy.group == group) return used(policy.origin, fmt::format("policy '{}'", policy.name));
  }
  for (const Group& declared : site.groups) {
    if (declared.path != group) continue;
    return remove(sources, declared.place.document, {"groups", declared.place.index}, /*keep=*/1);
  }
  return fail({ErrorCode::kNotFound, fmt::format("no group '{}' is declared", group), ""});
}

}  // namespace kscpush::site

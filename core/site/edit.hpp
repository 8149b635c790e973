// Edits of the parts of a site configuration that are not policies. What the edits promise is told
// in core/yaml/editor.hpp. An edit goes to the file that holds the entry, a new entry to the file
// that holds the last of its list.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/site/model.hpp"
#include "core/site/sources.hpp"

namespace kscpush::site {

// yaml::set() and yaml::remove() in one of the files.
[[nodiscard]] Edited set(const Sources& sources, std::size_t document, const yaml::Path& path,
                         const yaml::NewNode& value);
[[nodiscard]] Edited remove(const Sources& sources, std::size_t document, const yaml::Path& path,
                            std::size_t keep);

// Where a new entry of the list goes: behind its last one, in the root file when it has none.
template <class Entry>
[[nodiscard]] Place next_place(const std::vector<Entry>& list) {
  if (list.empty()) return {};
  return {list.back().place.document, list.back().place.index + 1};
}

// What is given is set; the rest stays.
struct DistributionPointChange {
  std::optional<bool> enabled;
  std::optional<Port> port;
  std::optional<std::uint32_t> max_connections;
  std::optional<std::string> address;
};

[[nodiscard]] Edited change(const Sources& sources, const DistributionPoint& dp,
                            const DistributionPointChange& change);

// A new one, push server off. kConflict: the name is taken.
[[nodiscard]] Edited add_distribution_point(const Sources& sources, const Site& site,
                                            const std::string& name, const std::string& address,
                                            const std::vector<std::string>& groups);
[[nodiscard]] Edited remove_distribution_point(const Sources& sources, const DistributionPoint& dp);

// In the scope already, or not in it: the sources as they are. kNotFound: not declared.
[[nodiscard]] Edited add_scope_group(const Sources& sources, const Site& site,
                                     const DistributionPoint& dp, const std::string& group);
// A scope that becomes empty goes with the group.
[[nodiscard]] Edited remove_scope_group(const Sources& sources, const DistributionPoint& dp,
                                        const std::string& group);

// Groups above that are not declared yet are declared with it.
[[nodiscard]] Edited add_group(const Sources& sources, const Site& site, const std::string& group);
// kConflict when something still uses it: a subgroup, a scope, a policy.
[[nodiscard]] Edited remove_group(const Sources& sources, const Site& site,
                                  const std::string& group);

}  // namespace kscpush::site

// Edits of the parts of a site configuration that are not policies. What the edits promise is told
// in core/yaml/editor.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/site/model.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::site {

// What is given is set; the rest stays.
struct DistributionPointChange {
  std::optional<bool> enabled;
  std::optional<Port> port;
  std::optional<std::uint32_t> max_connections;
  std::optional<std::string> address;
};

[[nodiscard]] yaml::Edited change(const yaml::Document& document, const DistributionPoint& dp,
                                  const DistributionPointChange& change);

// A new one, push server off. kConflict: the name is taken.
[[nodiscard]] yaml::Edited add_distribution_point(const yaml::Document& document, const Site& site,
                                                  const std::string& name,
                                                  const std::string& address,
                                                  const std::vector<std::string>& groups);
[[nodiscard]] yaml::Edited remove_distribution_point(const yaml::Document& document,
                                                     const DistributionPoint& dp);

// Groups above that are not declared yet are declared with it.
[[nodiscard]] yaml::Edited add_group(const yaml::Document& document, const Site& site,
                                     const std::string& group);
// kConflict when something still uses it: a subgroup, a scope, a policy.
[[nodiscard]] yaml::Edited remove_group(const yaml::Document& document, const Site& site,
                                        const std::string& group);

}  // namespace kscpush::site

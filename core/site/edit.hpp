// Edits of the parts of a site configuration that are not policies. Text in, text out; what the
// edits promise is told in core/yaml/editor.hpp.
#pragma once

#include <optional>
#include <string>

#include "core/site/model.hpp"
#include "core/yaml/document.hpp"

namespace kscpush::site {

// What is given is set; the rest stays.
struct DistributionPointChange {
  std::optional<bool> enabled;
  std::optional<Port> port;
  std::optional<std::uint32_t> max_connections;
  std::optional<std::string> address;
};

[[nodiscard]] Result<std::string> change(const yaml::Document& document,
                                         const DistributionPoint& dp,
                                         const DistributionPointChange& change);

}  // namespace kscpush::site

// A distribution point as dp list and dp show print it.
#pragma once

#include <nlohmann/json.hpp>

#include "cli/support/site_file.hpp"

namespace kscpush::cli {

[[nodiscard]] nlohmann::json to_json(const SiteFile& file, const site::DistributionPoint& dp);

// Whether the policy's half is in place for this distribution point, as a sentence with the
// command that mends it.
[[nodiscard]] std::string describe_policy_half(const site::Site& site,
                                               const site::DistributionPoint& dp);

}  // namespace kscpush::cli

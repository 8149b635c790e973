// The two halves of a push server: it runs at the distribution point, and the Network Agent policy
// of the devices in its scope tells them to use it. Only both together work.
#pragma once

#include <string>
#include <vector>

#include "core/site/model.hpp"
#include "policy/resolve.hpp"

namespace kscpush::policy {

enum class Half : std::uint8_t {
  kInPlace,
  kOff,       // the option is off
  kOpen,      // on, but open: not guaranteed on a device
  kNoPolicy,  // no active policy acts on the scope
  kNoScope,   // the distribution point serves nothing
};

struct PolicyHalf {
  Half half = Half::kNoScope;
  const site::Policy* policy = nullptr;  // the one that acts, if there is one
  Origin origin;                         // of the option, else of that policy
  std::string group;                     // the first group of the scope that lacks it
};

// Of the devices of one group, as far as the group alone decides.
[[nodiscard]] PolicyHalf policy_half_of_group(Resolver& resolver, std::string_view group);
// The policy's half for a distribution point: that of the first group of its scope, subgroups
// included, that lacks it.
[[nodiscard]] PolicyHalf policy_half(const site::Site& site, const site::DistributionPoint& dp);

// The command that switches the option on in that policy and locks it.
[[nodiscard]] std::string option_command(const site::Site& site, const site::Policy& policy);

// Distribution points whose scope meets the policy's group.
[[nodiscard]] std::vector<const site::DistributionPoint*> distribution_points_for(
    const site::Site& site, const site::Policy& policy);

// The groups of the scope with all declared groups below them, each once. All groups when the scope
// has network locations: a device of any may be there.
[[nodiscard]] std::vector<std::string_view> groups_in_scope(const site::Site& site,
                                                            const site::DistributionPoint& dp);

}  // namespace kscpush::policy

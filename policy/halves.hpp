// The two halves of a push server: it runs at the distribution point, and the Network Agent policy
// of the devices in its scope tells them to use it. Only both together work.
#pragma once

#include <string>
#include <vector>

#include "core/site/model.hpp"

namespace kscpush::policy {

// The active policy that acts on devices of GROUP: its own, else that of the nearest group above
// with one. nullptr if there is none.
[[nodiscard]] const site::Policy* active_policy(const site::Site& site, std::string_view group);

enum class Half {
  kInPlace,
  kOff,       // the option is off
  kOpen,      // on, but open: not guaranteed on a device
  kNoPolicy,  // no active policy acts on the scope
  kNoScope,   // the distribution point serves no group
};

struct PolicyHalf {
  Half half = Half::kNoScope;
  const site::Policy* policy = nullptr;  // the one that decides, if there is one
  std::string group;                     // the first group of the scope that lacks it
};

// The policy's half for a distribution point: the worst over the groups of its scope.
[[nodiscard]] PolicyHalf policy_half(const site::Site& site, const site::DistributionPoint& dp);

// Distribution points whose scope meets the policy's group, each with its push server's state.
[[nodiscard]] std::vector<const site::DistributionPoint*> distribution_points_for(
    const site::Site& site, const site::Policy& policy);

}  // namespace kscpush::policy

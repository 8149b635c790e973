// What is legal in a site but will not work, as warnings: each says which half is missing, or what
// is too small, and the command that mends it.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"
#include "policy/capacity.hpp"

namespace kscpush::policy {

// DEVICES: how many each group has, when that is known; nullptr otherwise.
void advise(const site::Site& site, const DevicesByGroup* devices, Diagnostics& diagnostics);

}  // namespace kscpush::policy

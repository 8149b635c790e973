// Whether the settings of a site's policies are settings, and their values of the right type.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"

namespace kscpush::policy {

void check(const site::Site& site, Diagnostics& diagnostics);

}  // namespace kscpush::policy

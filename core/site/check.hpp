// Rules between the parts of a site: names, groups, ports, policies.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"

namespace kscpush::site {

void check(const Site& site, Diagnostics& diagnostics);

}  // namespace kscpush::site

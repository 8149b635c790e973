// Rules between the parts of a site: names, groups, ports, policies.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"

namespace kscpush::site {

void check(const Site& site, Diagnostics& diagnostics);

// A port of the product on a distribution point, with what uses it.
struct DistributionPointPort {
  std::uint16_t port;
  std::string_view service;
};
// TCP ports that other services of a distribution point listen on (domain page, "Ports").
[[nodiscard]] const DistributionPointPort* reserved_port(Port port);

}  // namespace kscpush::site

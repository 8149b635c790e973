#include "cli/support/site_template.hpp"

#include <fmt/format.h>

namespace kscpush::cli {

std::string site_template(std::string_view dp_name, std::string_view dp_address) {
  return fmt::format(
      R"(# kscpush site configuration. Keep it in git; kscpush edits it in place and leaves comments alone.
# Check it with: kscpush validate
version: 1

# Administration groups below the built-in root "Managed devices".
groups:
  - Managed devices/Berlin

distribution_points:
  - name: {name}
    address: {address}          # what devices connect to
    scope:
      groups: [Managed devices]      # these groups with all their subgroups
    push_server:
      enabled: false                 # kscpush dp enable
      port: 13295
      max_connections: 50000

# Network Agent policies. A value is open unless it is locked: "!locked true".
# An open value is not guaranteed on a device, as the device's local settings overwrite it.
policies:
  - name: Network Agent
    group: Managed devices
    status: active                   # active | inactive | out_of_office
    inherit: true
    force_inheritance: false
    settings:
      connectivity:
        network:
          use_distribution_point_to_force_connection: false   # kscpush policy set force-via-dp
)",
      fmt::arg("name", dp_name), fmt::arg("address", dp_address));
}

}  // namespace kscpush::cli

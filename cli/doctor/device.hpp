// A device as its push servers and their registries know it, and what follows for reaching it.
#pragma once

#include "cli/context.hpp"
#include "cli/support/site_file.hpp"
#include "core/ids.hpp"
#include "policy/reach.hpp"

namespace kscpush::cli {

// The push server of DP, if it is the one that answers where its admin API should be. Bounded to
// seconds, as one that hangs is no better than none.
[[nodiscard]] policy::ServerState find_server(const SiteFile& file,
                                              const site::DistributionPoint& dp);

struct ExaminedDevice {
  std::string group;  // empty: not registered
  policy::Diagnosis diagnosis;
};
// DP: whose registry; empty: every push server's. The site must outlive the result.
[[nodiscard]] Result<ExaminedDevice> examine_device(const DeviceId& id, const SiteFile& file,
                                                    const std::string& dp, const Context& context);

}  // namespace kscpush::cli

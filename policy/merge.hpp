// The last step of a setting's way (policy/resolve.hpp, rule 5), which happens on the device: what
// the policy leaves open may be changed there, what it locks may not.
#pragma once

#include <map>
#include <string>

#include "core/report.hpp"
#include "core/sync.hpp"
#include "policy/resolve.hpp"

namespace kscpush::policy {

// What a device is told of its effective policy: every setting.
[[nodiscard]] PolicyValues values_of(const EffectivePolicy& policy);

// Open values, overwritten by LOCAL, overwritten by locked values. By path; a local setting that
// the policy does not have stands as it is.
[[nodiscard]] std::map<std::string, std::string> merge(const PolicyValues& policy,
                                                       const ReportedSettings& local);

}  // namespace kscpush::policy

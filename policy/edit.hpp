// Edits of a policy's settings. What the edits promise is told in core/yaml/editor.hpp.
#pragma once

#include <string>

#include "core/site/model.hpp"
#include "core/site/sources.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {

enum class Lock { kKeep, kLocked, kOpen };

// VALUE as parse_value() gives it. kKeep: a new setting is open.
[[nodiscard]] site::Edited set_setting(const site::Sources& sources, const site::Policy& policy,
                                       const SettingRow& row, const std::string& value, Lock lock);
// Sections that become empty go with it. A setting that is not there is no error.
[[nodiscard]] site::Edited unset_setting(const site::Sources& sources, const site::Policy& policy,
                                         const SettingRow& row);
// kNotFound when the policy does not have the setting.
[[nodiscard]] site::Edited lock_setting(const site::Sources& sources, const site::Policy& policy,
                                        const SettingRow& row, bool locked);

// A new policy without settings. kConflict: the group has a policy of that name, or, for an active
// one, an active policy.
[[nodiscard]] site::Edited add_policy(const site::Sources& sources, const site::Site& site,
                                      const std::string& name, const std::string& group,
                                      site::PolicyStatus status);
[[nodiscard]] site::Edited remove_policy(const site::Sources& sources, const site::Policy& policy);

}  // namespace kscpush::policy

// Commands that take several devices: each by itself, and what became of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "core/ids.hpp"

namespace kscpush::cli {

// Every id is parsed before the first ACTION. An action that fails is reported and the others go
// on; then the result is kPartial, or, when there is only one device, its own error.
[[nodiscard]] Status for_each_device(const std::vector<std::string>& ids,
                                     const std::function<Status(const DeviceId&)>& action,
                                     const Context& context);

}  // namespace kscpush::cli

// kscpush task start --follow: the output of a run while it comes.
#pragma once

#include "cli/context.hpp"
#include "cli/support/operation.hpp"

namespace kscpush::cli {

// Sends the operation (task.start) to the one device that is meant and prints what the run prints,
// through reconnects of the device, until it ends or Ctrl-C. kUsage: not one device, or a format
// that is not for people.
[[nodiscard]] Status follow_task(const Operation& operation, const OperationOptions& options,
                                 const Context& context);

}  // namespace kscpush::cli

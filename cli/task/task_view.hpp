// What the commands about tasks share: how the task is named behind its devices, and how
// runs are shown.
#pragma once

#include <string>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/operation.hpp"

namespace kscpush::cli {

// As add_target_options(), with the name of a task as the last word: DEVICE... TASK.
void add_task_targets(CLI::App& command, TargetOptions& options);
// Takes that word away from the devices. kUsage: there is none.
[[nodiscard]] Result<std::string> take_task(TargetOptions& options);

// A row for each item of LIST, an array in the results of the devices, with the "device"; a row
// with the "reason" for each device that gave none. JSON and YAML: the report itself.
void print_listed(const OperationReport& report, const std::string& list,
                  std::vector<Column> columns, const Context& context);

}  // namespace kscpush::cli

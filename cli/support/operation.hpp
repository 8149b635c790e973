// What a device is asked to do, of one device or of many: sent as a push, confirmed where many are
// meant, waited for, and told device by device. Commands give kind and parameters, and the columns
// of what is their own in the devices' answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/output.hpp"
#include "cli/support/pace.hpp"
#include "cli/support/targets.hpp"

namespace kscpush::cli {

struct OperationOptions {
  TargetOptions target{};
  PaceOptions pace{};
  bool wait = true;
  double timeout_s = 30;  // of many: for so long none of them may answer
  std::string dp{};
};
// --rate, --max-failures, --canary, --wait/--no-wait, --timeout, --dp. Targets are the command's
// own to add.
void add_operation_options(CLI::App& command, OperationOptions& options);

struct Operation {
  std::string kind;  // of push
  nlohmann::json params = nlohmann::json::object();
  std::string what{};       // "synchronize", for the question whether many are meant
  bool has_reasons = true;  // what is printed has a device's reason beside it
};

struct OperationReport {
  // In order of id: {"device", "push", "state", "acked", "ended", "reason", "result"}, null for
  // what there is not. state: of the push; or "refused" of a device that was given no push. result:
  // the device's own. reason: why it did not complete, or what it waits for.
  nlohmann::json devices = nlohmann::json::array();
  nlohmann::json rollout{};  // as the API shows it, in the end; null: one device
  bool waited = false;       // else of many there is only the rollout
  // Nothing was waited for, or all have completed. Of one device kFailed, kOffline or kNoAnswer; of
  // many kPartial.
  Status outcome{};
};

// An error: nothing was sent, or Ctrl-C has ended the waiting (kInterrupted, with how to go on).
[[nodiscard]] Result<OperationReport> run_operation(const Operation& operation,
                                                    const OperationOptions& options,
                                                    const Context& context);

// A row a device, COLUMNS between its state and the reason; of many a summary below. JSON and YAML:
// one object of one device, a list of many. Then the report's outcome is the command's.
void print_operation(const OperationReport& report, const std::vector<Column>& columns,
                     const Context& context);

}  // namespace kscpush::cli

// kscpush task status
#include "cli/commands.hpp"
#include "cli/task/task_view.hpp"

namespace kscpush::cli {
namespace {

const std::vector<Column> kColumns{{"TASK", "/task"},
                                   {"RUN", "/run"},
                                   {"STATE", "/state"},
                                   {"STARTED", "/started"},
                                   {"MS", "/duration_ms"},
                                   {"EXIT", "/exit_code"},
                                   {"SIGNAL", "/signal", /*wide_only=*/true},
                                   {"PID", "/pid", /*wide_only=*/true},
                                   {"OUTPUT BYTES", "/output_bytes"}};

struct StatusOptions {
  OperationOptions operation;
  std::string task;
  std::string run;
};

Status run_status(const StatusOptions& options, Context& context) {
  Operation operation{.kind = "task.status", .what = "ask for the runs"};
  if (!options.task.empty()) operation.params["task"] = options.task;
  if (!options.run.empty()) operation.params["run"] = options.run;
  const auto report = run_operation(operation, options.operation, context);
  if (!report) return fail(report.error());
  print_listed(*report, "runs", kColumns, context);
  return report->outcome;
}

}  // namespace

void add_task_status(CLI::App& parent, Context& context) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = parent.add_subcommand(
      "status", "Show the runs of tasks: those that run, and the last that have ended");
  add_target_options(*command, options->operation.target);
  command->add_option("--task", options->task, "Only runs of this task")->type_name("TASK");
  command->add_option("--run", options->run, "Only this run")->type_name("RUN");
  add_operation_options(*command, options->operation);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_status(*options, context); };
  });
}

}  // namespace kscpush::cli

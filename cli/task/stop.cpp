// kscpush task stop
#include "cli/commands.hpp"
#include "cli/task/task_view.hpp"

namespace kscpush::cli {
namespace {

constexpr double kTimeout = 90;  // s: the longest grace, and then some

const std::vector<Column> kColumns{{"TASK", "/task"},
                                   {"RUN", "/run"},
                                   {"STATE", "/state"},
                                   {"SIGNAL", "/signal"},
                                   {"EXIT", "/exit_code"}};

struct StopOptions {
  OperationOptions operation{.timeout_s = kTimeout};
  std::string run;
};

Status run_stop(StopOptions options, Context& context) {
  Operation operation{.kind = "task.stop", .what = "stop the task"};
  if (options.run.empty()) {
    const auto task = take_task(options.operation.target);
    if (!task) return fail(task.error());
    operation.params["task"] = *task;
    operation.what = fmt::format("stop task '{}'", *task);
  } else {
    operation.params["run"] = options.run;
  }
  const auto report = run_operation(operation, options.operation, context);
  if (!report) return fail(report.error());
  print_listed(*report, "runs", kColumns, context);
  return report->outcome;
}

}  // namespace

void add_task_stop(CLI::App& parent, Context& context) {
  auto options = std::make_shared<StopOptions>();
  CLI::App* command = parent.add_subcommand(
      "stop", "Stop all runs of a task, or one: SIGTERM, then SIGKILL; DEVICE... TASK");
  add_task_targets(*command, options->operation.target);
  command->add_option("--run", options->run, "Only this run; then no task is named")
      ->type_name("RUN");
  add_operation_options(*command, options->operation);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_stop(*options, context); };
  });
}

}  // namespace kscpush::cli

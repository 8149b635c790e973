// kscpush task start
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/params.hpp"
#include "cli/task/follow.hpp"
#include "cli/task/task_view.hpp"
#include "core/words.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr double kTimeout = 300;  // s, as a task's own unless it says otherwise

const std::vector<Column> kColumns{{"EXIT", "/result/exit_code"},
                                   {"SIGNAL", "/result/signal"},
                                   {"MS", "/result/duration_ms"},
                                   {"CPU MS", "/result/cpu_ms", /*wide_only=*/true},
                                   {"OUTPUT BYTES", "/result/output_bytes"}};

struct StartOptions {
  OperationOptions operation{.timeout_s = kTimeout};
  std::vector<std::string> params;
  bool follow = false;
};

void print_output(const json& device, const Context& context) {
  const json& result = device.at("result");
  if (!result.is_object() || !result.contains("output")) return;
  const auto output = printable(result.value("output", ""));
  if (result.value("output_cut", false)) {
    print_note(fmt::format("the last {} of {} bytes of output:", output.size(),
                           result.value("output_bytes", std::uint64_t{0})),
               context);
  }
  context.out << output;
  if (!output.empty() && output.back() != '\n') context.out << '\n';
}

Status run_start(StartOptions options, Context& context) {
  const auto task = take_task(options.operation.target);
  if (!task) return fail(task.error());
  auto params = parse_params(options.params, ParamValues::kText, "unit=nginx");
  if (!params) return fail(params.error());
  const Operation operation{.kind = "task.start",
                            .params = {{"task", *task}, {"params", std::move(*params)}},
                            .what = fmt::format("start task '{}'", *task)};
  if (options.follow) return follow_task(operation, options.operation, context);
  const auto report = run_operation(operation, options.operation, context);
  if (!report) return fail(report.error());
  print_operation(*report, kColumns, context);
  const bool one = report->rollout.is_null();
  if (one && report->waited && prints_text(context)) {
    print_output(report->devices.front(), context);
    context.out.flush();
  }
  return report->outcome;
}

}  // namespace

void add_task_start(CLI::App& parent, Context& context) {
  auto options = std::make_shared<StartOptions>();
  CLI::App* command = parent.add_subcommand(
      "start", "Start a declared task on devices, and wait for its end: DEVICE... TASK");
  add_task_targets(*command, options->operation.target);
  command->add_option("--param", options->params, "A parameter that the task declares")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--follow", options->follow,
                    "One device: print the output as it comes; Ctrl-C leaves the task running");
  add_operation_options(*command, options->operation);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_start(*options, context); };
  });
}

}  // namespace kscpush::cli

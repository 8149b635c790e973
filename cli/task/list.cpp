// kscpush task list
#include "cli/commands.hpp"
#include "cli/task/task_view.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

const std::vector<Column> kColumns{{"TASK", "/name"},
                                   {"RUNNING", "/running"},
                                   {"PARAMETERS", "/takes"},
                                   {"TIMEOUT S", "/timeout_s", /*wide_only=*/true},
                                   {"DESCRIPTION", "/description"}};

// "unit of nginx, postgresql (nginx); level from 1 to 9"
std::string describe(const json& parameters) {
  std::string text;
  for (const auto& [name, parameter] : parameters.items()) {
    const std::string value = parameter.value("value", "");
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", name, value);
    const auto fallback = parameter.find("default");
    if (fallback != parameter.end() && fallback->is_string()) {
      text += fmt::format(" ({})", fallback->get<std::string>());
    }
  }
  return text;
}

Status run_list(const OperationOptions& options, Context& context) {
  auto report = run_operation({.kind = "task.list", .what = "list the tasks"}, options, context);
  if (!report) return fail(report.error());
  if (prints_text(context)) {
    for (json& device : report->devices) {
      if (!device.at("result").is_object()) continue;
      for (json& task : device["result"]["tasks"]) {
        const auto parameters = task.find("parameters");
        const bool given = parameters != task.end() && parameters->is_object();
        if (given) task["takes"] = describe(*parameters);
      }
    }
  }
  print_listed(*report, "tasks", kColumns, context);
  return report->outcome;
}

}  // namespace

void add_task_list(CLI::App& parent, Context& context) {
  auto options = std::make_shared<OperationOptions>();
  CLI::App* command = parent.add_subcommand("list", "List the tasks that devices declare");
  add_target_options(*command, options->target);
  add_operation_options(*command, *options);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_list(*options, context); };
  });
}

}  // namespace kscpush::cli

// kscpush sync: forced synchronization.
#include "cli/commands.hpp"
#include "cli/support/operation.hpp"

namespace kscpush::cli {
namespace {

const std::vector<Column> kColumns{{"RESULT", "/result/result"}, {"REVISION", "/result/revision"}};

Status run_sync(const OperationOptions& options, Context& context) {
  const auto report = run_operation({.kind = "sync", .what = "synchronize"}, options, context);
  if (!report) return fail(report.error());
  print_operation(*report, kColumns, context);
  return report->outcome;
}

}  // namespace

void add_sync(CLI::App& parent, Context& context) {
  auto options = std::make_shared<OperationOptions>();
  CLI::App* command = parent.add_subcommand(
      "sync", "Have devices ask for their policy now; one that is away gets 15 minutes to come");
  add_target_options(*command, options->target);
  add_operation_options(*command, *options);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_sync(*options, context); };
  });
}

}  // namespace kscpush::cli

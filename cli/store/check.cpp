// kscpush store check: whether the database holds together.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/store/state_directory.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct CheckOptions {
  std::string dp;
  bool quick = false;
};

Status run_check(const CheckOptions& options, Context& context) {
  const auto directory = state_directory(options.dp, context);
  if (!directory) return fail(directory.error());
  const auto check = server::check_store(*directory, options.quick, context.clock.wall(),
                                         shown_progress("checks", context));
  if (!check) return fail(check.error());
  const Format format = context.output_format();
  if (format != Format::kTable && format != Format::kWide) {
    print_object({{"directory", directory->string()},
                  {"problems", check->problems},
                  {"version", check->version},
                  {"devices", check->devices},
                  {"pushes", check->pushes},
                  {"bytes", check->bytes}},
                 {}, "/directory", context);
  } else if (check->problems.empty()) {
    context.out << fmt::format("{}: all holds together: {} devices, {} pushes, {}\n",
                               directory->string(), check->devices, check->pushes,
                               mebibytes(check->bytes));
  }
  if (check->problems.empty()) return {};
  for (const std::string& problem : check->problems) {
    print_error({ErrorCode::kFailed, problem, ""}, context);
  }
  return fail({ErrorCode::kFailed,
               fmt::format("the database in {} is damaged", directory->string()),
               "stop the push server and restore a backup: docs/store.md"});
}

}  // namespace

void add_store_check(CLI::App& parent, Context& context) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = parent.add_subcommand(
      "check", "Whether the database holds together; changes nothing, also while the server runs");
  command->add_flag("--quick", options->quick,
                    "Leave out whether indexes agree with their tables: a fraction of the time");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_check(*options, context); };
  });
}

}  // namespace kscpush::cli

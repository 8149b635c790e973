// kscpush store backup: the database in one new file, also while the server runs.
#include <ostream>

#include "cli/commands.hpp"
#include "cli/store/state_directory.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct BackupOptions {
  std::string file;
  std::string dp;
};

Status run_backup(const BackupOptions& options, Context& context) {
  const auto directory = state_directory(options.dp, context);
  if (!directory) return fail(directory.error());
  const auto target = context.directory / options.file;
  const auto backup = server::back_up_store(*directory, target, context.clock.wall(),
                                            shown_progress("pages copied", context));
  if (!backup) return fail(backup.error());
  const Format format = context.output_format();
  if (format != Format::kTable && format != Format::kWide) {
    print_object({{"file", target.string()},
                  {"bytes", backup->bytes},
                  {"devices", backup->devices},
                  {"pushes", backup->pushes}},
                 {}, "/file", context);
    return {};
  }
  context.out << fmt::format("{}: {} devices, {} pushes, {}; read back and checked\n", options.file,
                             backup->devices, backup->pushes, mebibytes(backup->bytes));
  return {};
}

}  // namespace

void add_store_backup(CLI::App& parent, Context& context) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App* command = parent.add_subcommand(
      "backup", "Copy the database as it is at this moment into a new file, and check the copy");
  command->add_option("file", options->file, "A file that does not exist yet")
      ->type_name("FILE")
      ->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_backup(*options, context); };
  });
}

}  // namespace kscpush::cli

// kscpush store compact: gives the database's free space back to the disk.
#include <ostream>

#include "cli/commands.hpp"
#include "cli/store/state_directory.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

Status run_compact(const std::string& dp, Context& context) {
  const auto directory = state_directory(dp, context);
  if (!directory) return fail(directory.error());
  const auto done = server::compact_store(*directory, shown_progress("free pages", context));
  if (!done) return fail(done.error());
  const Format format = context.output_format();
  if (format != Format::kTable && format != Format::kWide) {
    print_object({{"directory", directory->string()},
                  {"before", done->before},
                  {"after", done->after},
                  {"online", done->online}},
                 {}, "/directory", context);
    return {};
  }
  context.out << fmt::format("{}: {} freed, from {} to {}\n", directory->string(),
                             mebibytes(std::max<std::int64_t>(done->before - done->after, 0)),
                             mebibytes(done->before), mebibytes(done->after));
  return {};
}

}  // namespace

void add_store_compact(CLI::App& parent, Context& context) {
  auto dp = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand(
      "compact", "Give the database's free space back to the disk, also while the server runs");
  command->add_option("--dp", *dp, "Distribution point (default: the only one)")->type_name("DP");
  command->callback(
      [dp, &context] { context.action = [dp, &context] { return run_compact(*dp, context); }; });
}

}  // namespace kscpush::cli

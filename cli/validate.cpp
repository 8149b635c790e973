// kscpush validate: everything that is wrong with the configuration, each at its place, and what is
// legal but will not work.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_file.hpp"
#include "policy/advice.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::cli {
namespace {

Status run_validate(Context& context) {
  auto checked = check_site(context);
  if (!checked) return fail(checked.error());
  Diagnostics& all = checked->diagnostics;
  const bool valid = !has_errors(all);
  // What the rules would advise of a configuration that does not hold is of no use.
  if (valid) policy::advise(checked->file.site, nullptr, all);
  const bool text =
      context.output_format() == Format::kTable || context.output_format() == Format::kWide;
  if (text) {
    print_diagnostics(all, context);
  } else {
    print_list(server::to_json(all), {}, "/message", context);
  }
  if (!valid) {
    const auto errors = std::ranges::count(all, Severity::kError, &Diagnostic::severity);
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("{}: {} error{}", checked->file.sources.root().name(), errors,
                             errors == 1 ? "" : "s"),
                 ""});
  }
  const site::Site& site = checked->file.site;
  if (text) {
    context.out << fmt::format(
        "{}: valid ({} groups, {} distribution points, {} policies, {} warnings)\n",
        checked->file.sources.root().name(), site.groups.size(), site.distribution_points.size(),
        site.policies.size(), all.size());
  }
  return {};
}

}  // namespace

void add_validate(CLI::App& parent, Context& context) {
  CLI::App* command = parent.add_subcommand(
      "validate", "Check the site configuration: every error, and what will not work");
  command->callback([&context] { context.action = [&context] { return run_validate(context); }; });
}

}  // namespace kscpush::cli

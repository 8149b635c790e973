// kscpush validate: everything that is wrong with the configuration, each at its place, and what is
// legal but will not work.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_file.hpp"
#include "policy/advice.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::cli {
namespace {

// Devices are data, but what is wrong with their groups is wrong with the two together.
void advise_of_groups(const SiteFile& file, const server::DeviceCounts& devices,
                      Diagnostics& diagnostics) {
  for (const auto& [group, count] : devices) {
    if (file.site.has_group(group)) continue;
    // Field by field: g++ 12 at -O3 sees the temporary's strings as maybe uninitialized.
    Diagnostic warning;
    warning.severity = Severity::kWarning;
    warning.origin = {file.sources.root().name(), 0, 0};
    warning.message = fmt::format("{} registered device{} in group '{}', which is not declared",
                                  count, count == 1 ? " is" : "s are", group);
    warning.hint =
        fmt::format("declare it: kscpush group add \"{}\"; or {}", group, how_to_move(group));
    diagnostics.push_back(std::move(warning));
  }
}

Status run_validate(bool no_registry, Context& context) {
  auto checked = check_site(context);
  if (!checked) return fail(checked.error());
  Diagnostics& all = checked->diagnostics;
  const bool valid = !has_errors(all);
  // What the rules would advise of a configuration that does not hold is of no use.
  if (valid) {
    const auto devices = no_registry ? std::nullopt : known_counts(checked->file, "", context);
    policy::advise(checked->file.site, devices ? &*devices : nullptr, all);
    if (devices) advise_of_groups(checked->file, *devices, all);
  }
  const bool text = prints_text(context);
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
  auto no_registry = std::make_shared<bool>(false);
  command->add_flag("--no-registry", *no_registry,
                    "Do not compare with the registered devices, where there are any");
  command->callback([no_registry, &context] {
    context.action = [no_registry, &context] { return run_validate(*no_registry, context); };
  });
}

}  // namespace kscpush::cli

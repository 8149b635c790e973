// kscpush dp scope add, remove: the groups that a distribution point serves.
#include "cli/commands.hpp"
#include "cli/support/edit_command.hpp"
#include "core/site/edit.hpp"

namespace kscpush::cli {
namespace {

struct ScopeOptions {
  std::string dp;
  std::string group;
  bool dry_run = false;
};

using ScopeEdit = site::Edited (*)(const site::Sources&, const site::Site&,
                                   const site::DistributionPoint&, const std::string&);

void add_edit(CLI::App& parent, const std::string& name, const std::string& help, ScopeEdit edit,
              const std::string& done, Context& context) {
  auto options = std::make_shared<ScopeOptions>();
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("group", options->group, "Group, with all its subgroups")
      ->type_name("GROUP")
      ->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, edit, done, &context] {
    context.action = [options, edit, done, &context] {
      return edit_site(
          [&](const SiteFile& file) -> Result<SiteEdit> {
            const auto dp = choose_distribution_point(file, options->dp);
            if (!dp) return fail(dp.error());
            auto edited = edit(file.sources, file.site, **dp, options->group);
            if (!edited) return fail(edited.error());
            return SiteEdit{std::move(*edited), fmt::format("group '{}' is {} the scope of '{}'",
                                                            options->group, done, (*dp)->name)};
          },
          options->dry_run, context);
    };
  });
}

}  // namespace

void add_dp_scope(CLI::App& parent, Context& context) {
  CLI::App* scope = parent.add_subcommand("scope", "The groups that a distribution point serves");
  scope->require_subcommand(1);
  add_edit(*scope, "add", "Add a group to the scope", site::add_scope_group, "in", context);
  add_edit(
      *scope, "remove", "Take a group out of the scope",
      [](const site::Sources& sources, const site::Site&, const site::DistributionPoint& dp,
         const std::string& group) { return site::remove_scope_group(sources, dp, group); },
      "not in", context);
}

}  // namespace kscpush::cli

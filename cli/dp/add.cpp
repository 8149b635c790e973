// kscpush dp add, remove
#include "cli/commands.hpp"
#include "cli/support/edit_command.hpp"
#include "core/site/edit.hpp"

namespace kscpush::cli {
namespace {

struct AddOptions {
  std::string name;
  std::string address;
  std::vector<std::string> groups;
  bool dry_run = false;
};

struct RemoveOptions {
  std::string name;
  bool dry_run = false;
};

Status run_dp_add(const AddOptions& options, Context& context) {
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        auto edited = site::add_distribution_point(file.sources, file.site, options.name,
                                                   options.address, options.groups);
        if (!edited) return fail(edited.error());
        return SiteEdit{std::move(*edited),
                        fmt::format("distribution point '{0}' added, push server off (kscpush dp "
                                    "enable {0})",
                                    options.name)};
      },
      options.dry_run, context);
}

Status run_dp_remove(const RemoveOptions& options, Context& context) {
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        const auto dp = choose_distribution_point(file, options.name);
        if (!dp) return fail(dp.error());
        auto edited = site::remove_distribution_point(file.sources, **dp);
        if (!edited) return fail(edited.error());
        return SiteEdit{std::move(*edited),
                        fmt::format("distribution point '{}' removed", (*dp)->name)};
      },
      options.dry_run, context);
}

}  // namespace

void add_dp_add(CLI::App& parent, Context& context) {
  auto options = std::make_shared<AddOptions>();
  CLI::App* command = parent.add_subcommand("add", "Add a distribution point, push server off");
  command->add_option("name", options->name, "Its name")->type_name("NAME")->required();
  command->add_option("--address", options->address, "What devices connect to")
      ->type_name("HOST")
      ->required();
  command
      ->add_option("--group", options->groups,
                   "A group that it serves, with all subgroups (repeatable)")
      ->type_name("GROUP")
      ->required();
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_dp_add(*options, context); };
  });
}

void add_dp_remove(CLI::App& parent, Context& context) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* command = parent.add_subcommand("remove", "Remove a distribution point");
  command->add_option("dp", options->name, "Distribution point")->type_name("DP")->required();
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_dp_remove(*options, context); };
  });
}

}  // namespace kscpush::cli

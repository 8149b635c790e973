// kscpush policy add, remove
#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/policy/target.hpp"
#include "cli/support/edit_command.hpp"
#include "core/diagnostic.hpp"
#include "policy/edit.hpp"

namespace kscpush::cli {
namespace {

struct AddOptions {
  std::string name;
  std::string group{site::kRootGroup};
  std::string status = "active";
  bool dry_run = false;
};

struct RemoveOptions {
  PolicyTarget target;
  bool dry_run = false;
};

site::PolicyStatus parse_status(const std::string& text) {
  if (text == to_string(site::PolicyStatus::kInactive)) return site::PolicyStatus::kInactive;
  if (text == to_string(site::PolicyStatus::kOutOfOffice)) return site::PolicyStatus::kOutOfOffice;
  return site::PolicyStatus::kActive;
}

Status run_policy_add(const AddOptions& options, Context& context) {
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        auto edited = policy::add_policy(file.sources, file.site, options.name, options.group,
                                         parse_status(options.status));
        if (!edited) return fail(edited.error());
        return SiteEdit{std::move(*edited),
                        fmt::format("policy '{}' of group '{}' added, {}", options.name,
                                    options.group, options.status)};
      },
      options.dry_run, context);
}

Status run_policy_remove(const RemoveOptions& options, Context& context) {
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        const auto policy = choose_policy(file, options.target.name, options.target.group);
        if (!policy) return fail(policy.error());
        auto edited = policy::remove_policy(file.sources, **policy);
        if (!edited) return fail(edited.error());
        return SiteEdit{std::move(*edited), fmt::format("policy '{}' of group '{}' removed",
                                                        (*policy)->name, (*policy)->group)};
      },
      options.dry_run, context);
}

}  // namespace

void add_policy_add(CLI::App& parent, Context& context) {
  auto options = std::make_shared<AddOptions>();
  CLI::App* command = parent.add_subcommand("add", "Add a policy without settings");
  command->add_option("name", options->name, "Its name")->type_name("NAME")->required();
  command->add_option("--group", options->group, "The group it is for (default: Managed devices)")
      ->type_name("GROUP");
  command->add_option("--status", options->status, "active (default), inactive, out_of_office")
      ->type_name("STATUS")
      ->check(CLI::IsMember({"active", "inactive", "out_of_office"}));
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_policy_add(*options, context); };
  });
}

void add_policy_remove(CLI::App& parent, Context& context) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* command = parent.add_subcommand("remove", "Remove a policy");
  command->add_option("name", options->target.name, "Policy")->type_name("NAME")->required();
  command->add_option("--group", options->target.group, "Of this group")->type_name("GROUP");
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_policy_remove(*options, context); };
  });
}

}  // namespace kscpush::cli

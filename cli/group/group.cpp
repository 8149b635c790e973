// kscpush group: administration groups.
#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/plan_view.hpp"
#include "cli/support/edit_command.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "core/site/edit.hpp"
#include "policy/assign.hpp"
#include "policy/halves.hpp"

namespace kscpush::cli {
namespace {

struct GroupOptions {
  std::string group;
  bool dry_run = false;
};

Status run_group_list(Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  policy::Resolver resolver(file->site);
  nlohmann::json list = nlohmann::json::array();
  const auto add = [&](const std::string& group, const std::string& where) {
    const auto effective = resolver.resolve({.group = group});
    std::vector<std::string> dps;
    for (const auto* dp : policy::candidates_for(file->site, group).dps) dps.push_back(dp->name);
    nlohmann::json policy_name;
    if (effective->policy != nullptr) policy_name = effective->policy->name;
    list.push_back({{"group", group},
                    {"policy", policy_name},
                    {"push_servers", fmt::format("{}", fmt::join(dps, ", "))},
                    {"where", where}});
  };
  add(std::string(site::kRootGroup), "built in");
  for (const site::Group& group : file->site.groups) add(group.path, to_string(group.origin));
  print_list(list,
             {{"GROUP", "/group"},
              {"POLICY THAT ACTS", "/policy"},
              {"PUSH SERVERS", "/push_servers"},
              {"WHERE", "/where", true}},
             "/group", context);
  return {};
}

// Who stays behind in a group that goes keeps what the groups above it give, but can be named by no
// policy and no scope.
void warn_of_devices(const SiteFile& file, const std::string& group, const Context& context) {
  const auto counts = known_counts(file, "", context);
  if (!counts) return;
  const auto found = counts->find(group);
  if (found == counts->end() || found->second == 0) return;
  print_warning({ErrorCode::kConflict,
                 fmt::format("{} {} registered in group '{}'", count_devices(found->second),
                             found->second == 1 ? "is" : "are", group),
                 how_to_move(group)},
                context);
}

using GroupEdit = site::Edited (*)(const site::Sources&, const site::Site&, const std::string&);

void add_edit(CLI::App& parent, const std::string& name, const std::string& help, GroupEdit edit,
              const std::string& done, Context& context) {
  auto options = std::make_shared<GroupOptions>();
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("group", options->group, "Path from the root: \"Managed devices/Berlin\"")
      ->type_name("GROUP")
      ->required();
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, edit, done, &context] {
    context.action = [options, edit, done, &context] {
      return edit_site(
          [&](const SiteFile& file) {
            if (edit == site::remove_group) warn_of_devices(file, options->group, context);
            return edit(file.sources, file.site, options->group).map([&](site::Sources edited) {
              return SiteEdit{std::move(edited),
                              fmt::format("group '{}' {}", options->group, done)};
            });
          },
          options->dry_run, context);
    };
  });
}

}  // namespace

void add_group(CLI::App& parent, Context& context) {
  CLI::App* group = parent.add_subcommand("group", "Administration groups");
  group->require_subcommand(1);
  CLI::App* list = group->add_subcommand("list", "All groups, and which policy acts on each");
  list->callback([&context] { context.action = [&context] { return run_group_list(context); }; });
  add_edit(*group, "add", "Declare a group, with the groups above it", site::add_group, "declared",
           context);
  add_edit(*group, "remove", "Remove a group that nothing uses", site::remove_group, "removed",
           context);
}

}  // namespace kscpush::cli

// kscpush dp show [DP]
#include "cli/commands.hpp"
#include "cli/dp/view.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

Status run_dp_show(const std::string& name, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, name);
  if (!dp) return fail(dp.error());
  print_object(to_json(*file, **dp),
               {{"Name", "/name"},
                {"Address", "/address"},
                {"Scope", "/scope/text"},
                {"Push server", "/push_server/enabled"},
                {"Port", "/push_server/port"},
                {"Max connections", "/push_server/max_connections"},
                {"Listens on", "/push_server/listen"},
                {"Admin API", "/push_server/admin"},
                {"Certificate", "/push_server/certificate"},
                {"State", "/push_server/state_directory"},
                {"Ports in use", "/ports_text"},
                {"Hardware for devices", "/max_devices"},
                {"Force via DP", "/force_via_dp"}},
               "/name", context);
  return {};
}

}  // namespace

void add_dp_show(CLI::App& parent, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand("show", "One distribution point");
  command->add_option("dp", *name, "Distribution point (default: the only one)")->type_name("DP");
  command->callback([name, &context] {
    context.action = [name, &context] { return run_dp_show(*name, context); };
  });
}

}  // namespace kscpush::cli

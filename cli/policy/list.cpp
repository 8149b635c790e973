// kscpush policy list
#include "cli/commands.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_file.hpp"
#include "policy/schema.hpp"

namespace kscpush::cli {
namespace {

nlohmann::json to_json(const site::Policy& policy) {
  const site::Setting* const force = policy.find(policy::kForceViaDp);
  nlohmann::json shown;
  if (force != nullptr) shown = force->value + (force->locked ? " (locked)" : " (open)");
  return {{"name", policy.name},
          {"group", policy.group},
          {"status", site::to_string(policy.status)},
          {"inherit", policy.inherit},
          {"force_inheritance", policy.force_inheritance},
          {"settings", policy.settings.size()},
          {"force_via_dp", shown},
          {"where", to_string(policy.origin)}};
}

}  // namespace

void add_policy_list(CLI::App& parent, Context& context) {
  CLI::App* command = parent.add_subcommand("list", "All policies");
  command->callback([&context] {
    context.action = [&context]() -> Status {
      const auto file = load_site(context);
      if (!file) return fail(file.error());
      nlohmann::json list = nlohmann::json::array();
      for (const site::Policy& policy : file->site.policies) list.push_back(to_json(policy));
      print_list(list,
                 {{"NAME", "/name"},
                  {"GROUP", "/group"},
                  {"STATUS", "/status"},
                  {"SETTINGS", "/settings"},
                  {"FORCE VIA DP", "/force_via_dp"},
                  {"INHERIT", "/inherit", true},
                  {"FORCE INHERITANCE", "/force_inheritance", true},
                  {"WHERE", "/where", true}},
                 "/name", context);
      return {};
    };
  });
}

}  // namespace kscpush::cli

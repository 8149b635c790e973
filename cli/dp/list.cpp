// kscpush dp list
#include "cli/commands.hpp"
#include "cli/dp/view.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {

void add_dp_list(CLI::App& parent, Context& context) {
  CLI::App* command = parent.add_subcommand("list", "All distribution points");
  command->callback([&context] {
    context.action = [&context]() -> Status {
      const auto file = load_site(context);
      if (!file) return fail(file.error());
      nlohmann::json list = nlohmann::json::array();
      for (const auto& dp : file->site.distribution_points) list.push_back(to_json(*file, dp));
      print_list(list,
                 {{"NAME", "/name"},
                  {"PUSH SERVER", "/push_server/enabled"},
                  {"PORT", "/push_server/port"},
                  {"MAX CONNECTIONS", "/push_server/max_connections"},
                  {"FORCE VIA DP", "/force_via_dp"},
                  {"SCOPE", "/scope/text"},
                  {"ADDRESS", "/address", true},
                  {"ADMIN API", "/push_server/admin", true}},
                 "/name", context);
      return {};
    };
  });
}

}  // namespace kscpush::cli

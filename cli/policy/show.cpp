// kscpush policy show
#include "cli/commands.hpp"
#include "cli/policy/target.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_file.hpp"
#include "policy/schema.hpp"

namespace kscpush::cli {
namespace {

struct ShowOptions {
  PolicyTarget target;
  bool all_settings = false;
};

nlohmann::json to_json(const policy::SettingRow& row, const site::Setting* setting) {
  nlohmann::json json{
      {"setting", row.path},  {"short_name", row.short_name},       {"value", nullptr},
      {"lock", nullptr},      {"default", row.default_value},       {"name", row.english},
      {"german", row.german}, {"type", policy::describe(row.type)}, {"where", nullptr}};
  if (setting != nullptr) {
    json["value"] = policy::canonical(row, *setting);
    json["lock"] = setting->locked ? "locked" : "open";
    json["where"] = to_string(setting->origin);
  }
  return json;
}

Status run_policy_show(const ShowOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto policy = choose_policy(*file, options.target.name, options.target.group);
  if (!policy) return fail(policy.error());
  nlohmann::json list = nlohmann::json::array();
  for (const policy::SettingRow& row : policy::settings()) {
    const site::Setting* const setting = (*policy)->find(row.path);
    if (setting != nullptr || options.all_settings) list.push_back(to_json(row, setting));
  }
  print_list(list,
             {{"SETTING", "/setting"},
              {"VALUE", "/value"},
              {"LOCK", "/lock"},
              {"DEFAULT", "/default"},
              {"WHERE", "/where"},
              {"SHORT", "/short_name", true},
              {"NAME IN THE PRODUCT", "/name", true}},
             "/setting", context);
  return {};
}

}  // namespace

void add_policy_show(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command = parent.add_subcommand("show", "The settings of one policy");
  options->target.add_to(*command);
  command->add_flag("--all-settings", options->all_settings,
                    "Also those that the policy does not set");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_policy_show(*options, context); };
  });
}

}  // namespace kscpush::cli

// kscpush policy: Network Agent policies and their settings.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_policy(CLI::App& parent, Context& context) {
  CLI::App* policy = parent.add_subcommand("policy", "Network Agent policies and their settings");
  policy->require_subcommand(1);
  add_policy_list(*policy, context);
  add_policy_show(*policy, context);
  add_policy_set(*policy, context);
  add_policy_unset(*policy, context);
  add_policy_lock(*policy, context);
  add_policy_unlock(*policy, context);
  add_policy_add(*policy, context);
  add_policy_remove(*policy, context);
  add_policy_edit(*policy, context);
  add_policy_effective(*policy, context);
  add_policy_explain(*policy, context);
}

}  // namespace kscpush::cli

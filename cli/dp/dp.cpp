// kscpush dp: distribution points and their push servers.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_dp(CLI::App& parent, Context& context) {
  CLI::App* dp = parent.add_subcommand("dp", "Distribution points and their push servers");
  dp->require_subcommand(1);
  add_dp_list(*dp, context);
  add_dp_show(*dp, context);
  add_dp_enable(*dp, context);
  add_dp_disable(*dp, context);
  add_dp_set(*dp, context);
  add_dp_add(*dp, context);
  add_dp_remove(*dp, context);
  add_dp_scope(*dp, context);
  add_dp_capacity(*dp, context);
  add_dp_assign(*dp, context);
  add_dp_drain(*dp, context);
  add_dp_renew_certificate(*dp, context);
}

}  // namespace kscpush::cli

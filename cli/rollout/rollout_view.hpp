// What the commands about rollouts share: how one is shown, and how it is watched.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/api_client.hpp"

namespace kscpush::cli {

void print_rollout(const nlohmann::json& rollout, const Context& context);

// Until every push of it is acknowledged or has ended, with progress; Ctrl-C ends the watching, not
// the rollout, and says how to go on. The rollout as it is then.
[[nodiscard]] Result<nlohmann::json> watch_rollout(const ApiClient& api, const std::string& id,
                                                   const Context& context);
// kPartial: some failed, or it was halted. Nothing is said of one that goes on.
[[nodiscard]] Status rollout_outcome(const nlohmann::json& rollout);

}  // namespace kscpush::cli

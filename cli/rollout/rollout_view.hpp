// What the commands about rollouts share: how one is shown, and how it is watched.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/api_client.hpp"
#include "core/push.hpp"

namespace kscpush::cli {

void print_rollout(const nlohmann::json& rollout, const Context& context);

// What is waited for.
struct RolloutWait {
  // kAcked: until every push of it is acknowledged or has ended. kCompleted: until every one has
  // ended, as those do that the device has answered.
  PushState goal = PushState::kAcked;
  double silence_s = 0;  // give up when nothing has happened for so long; 0: never
};
// With progress; Ctrl-C ends the watching, not the rollout, and says how to go on (kInterrupted).
// The rollout as it is then. A server that is away for a while ends nothing.
[[nodiscard]] Result<nlohmann::json> watch_rollout(const ApiClient& api, const std::string& id,
                                                   const Context& context,
                                                   const RolloutWait& wait = {});
// kPartial: some failed, or it was halted. Nothing is said of one that goes on.
[[nodiscard]] Status rollout_outcome(const nlohmann::json& rollout);

}  // namespace kscpush::cli

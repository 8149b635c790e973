// What the commands about pushes share: how one is shown, and how it is waited for.
#pragma once

#include <string>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/api_client.hpp"

namespace kscpush::cli {

struct WaitOptions {
  std::string state;  // "acked", "completed"; empty: no waiting
  double timeout_s = 30;
};
// --wait, --timeout
void add_wait_options(CLI::App& command, WaitOptions& options);

// Why it ended as it did, in the device's own words where it gave some, without control
// characters; empty for nothing.
[[nodiscard]] std::string reason_of(const nlohmann::json& push);

// The push, once it has come to the state, is over, or the time is. Ctrl-C ends the waiting, not
// the push, and says how to go on (kInterrupted). A server that is away for a while ends nothing.
[[nodiscard]] Result<nlohmann::json> wait_for_push(const ApiClient& api, const std::string& id,
                                                   const WaitOptions& options,
                                                   const Context& context);
// Whether what was waited for has come: kFailed when the push ended otherwise; kOffline or
// kNoAnswer when the time was over before.
[[nodiscard]] Status outcome(const ApiClient& api, const nlohmann::json& push,
                             const WaitOptions& options);

void print_push(const nlohmann::json& push, const Context& context);

}  // namespace kscpush::cli

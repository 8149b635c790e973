// Pushes to many devices: at which pace, and how they are begun.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/targets.hpp"

namespace kscpush::cli {

struct PaceOptions {
  double rate = 0;  // pushes a second; 0: no limit
  std::optional<std::int64_t> max_failures;
  std::optional<std::int64_t> canary;

  [[nodiscard]] bool given() const { return rate > 0 || max_failures || canary; }
};

// --rate, --max-failures, --canary.
void add_pace_options(CLI::App& command, PaceOptions& options);

// "rate", "max_failures" and "canary" of a request, as far as they were given.
[[nodiscard]] nlohmann::json pace_fields(const PaceOptions& options);

// BODY: of a POST to /v1/pushes, with the fields that say which devices. How many these are, which
// of a group, a condition or all only the server knows.
[[nodiscard]] Result<std::size_t> count_targets(nlohmann::json body, const ApiClient& api);

struct RolloutRequest {
  nlohmann::json body;  // as above
  std::string what;     // "send 'sync'"
  ApiClient::Headers headers{};
};
// Shows how many devices are meant, has that confirmed, and begins a rollout to them: as the API
// shows it.
[[nodiscard]] Result<nlohmann::json> begin_rollout(RolloutRequest request,
                                                   const TargetOptions& targets,
                                                   const PaceOptions& pace, const ApiClient& api,
                                                   const Context& context);

}  // namespace kscpush::cli

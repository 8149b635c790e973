#include "cli/support/pace.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{60};  // a million devices are looked at

}  // namespace

void add_pace_options(CLI::App& command, PaceOptions& options) {
  command.add_option("--rate", options.rate, "To many: pushes a second (default: no limit)")
      ->type_name("N")
      ->check(CLI::Range(0.01, 100'000.0));
  command
      .add_option("--max-failures", options.max_failures,
                  "To many: stop when more devices than these have failed")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{10'000'000}));
  command
      .add_option("--canary", options.canary,
                  "To many: so many first; the others follow when none of them has failed")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10'000'000}));
}

json pace_fields(const PaceOptions& options) {
  json fields = json::object();
  if (options.rate > 0) fields["rate"] = options.rate;
  if (options.max_failures) fields["max_failures"] = *options.max_failures;
  if (options.canary) fields["canary"] = *options.canary;
  return fields;
}

Result<std::size_t> count_targets(json body, const ApiClient& api) {
  if (body.contains("devices")) return body.at("devices").size();
  body["dry_run"] = true;
  const auto counted = api.post("/v1/pushes", body, kTimeout);
  if (!counted) return fail(counted.error());
  return counted->at("targets").get<std::size_t>();
}

Result<json> begin_rollout(RolloutRequest request, const TargetOptions& targets,
                           const PaceOptions& pace, const ApiClient& api, const Context& context) {
  const auto count = count_targets(request.body, api);
  if (!count) return fail(count.error());
  auto confirmed = confirm(targets, request.what, *count, context);
  if (!confirmed) return fail(confirmed.error());
  request.body.update(pace_fields(pace));
  // Of a list without a pace each push is answered for by itself, which leaves nothing to watch.
  request.body["canary"] = pace.canary.value_or(0);
  auto begun = api.post("/v1/pushes", request.body, kTimeout, request.headers);
  if (!begun) return begun;
  return std::move(begun->at("rollout"));
}

}  // namespace kscpush::cli

// kscpush push send
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/push/push_view.hpp"
#include "cli/rollout/rollout_view.hpp"
#include "cli/support/output.hpp"
#include "cli/support/pace.hpp"
#include "cli/support/params.hpp"
#include "core/push.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{15};

struct SendOptions {
  TargetOptions target;
  std::string kind = "sync";
  std::vector<std::string> params;
  std::optional<std::int64_t> ttl_s;
  std::string collapse_key;
  std::string idempotency_key;
  WaitOptions wait;
  PaceOptions pace;
  bool watch = false;
  bool dry_run = false;
  std::string dp;

  [[nodiscard]] bool to_many() const {
    return target.devices.size() != 1 || pace.given() || watch || dry_run;
  }
};

Result<json> body_of(const SendOptions& options) {
  json body{{"kind", options.kind}};
  auto params = parse_params(options.params, ParamValues::kJson, "reason=update");
  if (!params) return params;
  if (!params->empty()) body["params"] = std::move(*params);
  if (options.ttl_s) body["ttl"] = *options.ttl_s;
  if (!options.collapse_key.empty()) body["collapse_key"] = options.collapse_key;
  return body;
}

ApiClient::Headers headers_of(const SendOptions& options) {
  if (options.idempotency_key.empty()) return {};
  return {"Idempotency-Key: " + options.idempotency_key};
}

Status send_to_one(const json& body, const SendOptions& options, const ApiClient& api,
                   const Context& context) {
  const std::string path = fmt::format("/v1/devices/{}/pushes", options.target.devices.front());
  auto push = api.post(path, body, kTimeout, headers_of(options));
  if (!push) return fail(push.error());
  if (options.wait.state.empty()) {
    print_push(*push, context);
    return {};
  }
  push = wait_for_push(api, push->at("id").get<std::string>(), options.wait, context);
  if (!push) return fail(push.error());
  print_push(*push, context);
  context.out.flush();
  return outcome(api, *push, options.wait);
}

Status send_to_many(json body, const SendOptions& options, const ApiClient& api,
                    const Context& context) {
  if (!options.wait.state.empty()) {
    return fail({ErrorCode::kUsage, "--wait is for one device",
                 "--watch waits until all have acknowledged, or failed"});
  }
  if (options.dry_run) {
    const auto count = count_targets(std::move(body), api);
    if (!count) return fail(count.error());
    print_object({{"targets", *count}}, {{"Devices", "/targets"}}, "/targets", context);
    return {};
  }
  const auto begun =
      begin_rollout({std::move(body), fmt::format("send '{}'", options.kind), headers_of(options)},
                    options.target, options.pace, api, context);
  if (!begun) return fail(begun.error());
  json rollout = *begun;
  const auto id = rollout.at("id").get<std::string>();
  if (options.watch) {
    auto watched = watch_rollout(api, id, context);
    if (!watched) return fail(watched.error());
    rollout = std::move(*watched);
  } else {
    print_note(fmt::format("'kscpush rollout watch {}' shows how far it is", id), context);
  }
  print_rollout(rollout, context);
  context.out.flush();
  return rollout_outcome(rollout);
}

Status run_send(const SendOptions& options, Context& context) {
  auto targets = target_fields(options.target);
  if (!targets) return fail(targets.error());
  auto body = body_of(options);
  if (!body) return fail(body.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  if (!options.to_many()) return send_to_one(*body, options, *api, context);
  body->update(*targets);
  return send_to_many(std::move(*body), options, *api, context);
}

}  // namespace

void add_push_send(CLI::App& parent, Context& context) {
  auto options = std::make_shared<SendOptions>();
  CLI::App* command =
      parent.add_subcommand("send", "Send a push to a device, or at a pace to many");
  add_target_options(*command, options->target);
  command->add_option("--kind", options->kind, "What it asks for (default: sync)")
      ->type_name("KIND")
      ->check(CLI::IsMember(requestable_kinds()));
  command->add_option("--param", options->params, "A parameter; VALUE may be JSON")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--ttl", options->ttl_s,
                   "How long it may wait for the device; 0: not at all (default: the kind's)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{kMaxTtl.count()}));
  command
      ->add_option("--collapse-key", options->collapse_key,
                   "Replaces what waits for the device with the same key (default: the kind's)")
      ->type_name("KEY");
  command
      ->add_option("--idempotency-key", options->idempotency_key,
                   "Sent once however often the command is run with this key")
      ->type_name("KEY");
  add_wait_options(*command, options->wait);
  add_pace_options(*command, options->pace);
  command->add_flag("--watch", options->watch,
                    "To many: wait until all have acknowledged, or failed");
  command->add_flag("--dry-run", options->dry_run, "Only say how many devices are meant");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_send(*options, context); };
  });
}

}  // namespace kscpush::cli

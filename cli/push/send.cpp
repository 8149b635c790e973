// kscpush push send
#include <ostream>

#include "cli/commands.hpp"
#include "cli/push/push_view.hpp"
#include "cli/push/targets.hpp"
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
  std::string dp;
};

// "key=value": what is JSON is taken as that, what is not as a string.
Result<json> parse_params(const std::vector<std::string>& texts) {
  json params = json::object();
  for (const std::string& text : texts) {
    const std::size_t mark = text.find('=');
    if (mark == std::string::npos || mark == 0) {
      return fail({ErrorCode::kUsage, fmt::format("--param must be NAME=VALUE, not '{}'", text),
                   "for example --param reason=update"});
    }
    const std::string value = text.substr(mark + 1);
    json parsed = json::parse(value, nullptr, /*allow_exceptions=*/false);
    params[text.substr(0, mark)] = parsed.is_discarded() ? json(value) : std::move(parsed);
  }
  return params;
}

Result<json> body_of(const SendOptions& options) {
  json body{{"kind", options.kind}};
  auto params = parse_params(options.params);
  if (!params) return params;
  if (!params->empty()) body["params"] = std::move(*params);
  if (options.ttl_s) body["ttl"] = *options.ttl_s;
  if (!options.collapse_key.empty()) body["collapse_key"] = options.collapse_key;
  return body;
}

Status run_send(const SendOptions& options, Context& context) {
  const auto id = parse_target(options.target);
  if (!id) return fail(id.error());
  const auto body = body_of(options);
  if (!body) return fail(body.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  ApiClient::Headers headers;
  if (!options.idempotency_key.empty()) {
    headers.push_back("Idempotency-Key: " + options.idempotency_key);
  }
  auto push = api->post(fmt::format("/v1/devices/{}/pushes", id->str()), *body, kTimeout, headers);
  if (!push) return fail(push.error());
  if (options.wait.state.empty()) {
    print_push(*push, context);
    return {};
  }
  push = wait_for_push(*api, push->at("id").get<std::string>(), options.wait, context);
  if (!push) return fail(push.error());
  print_push(*push, context);
  context.out.flush();
  return outcome(*api, *push, options.wait);
}

}  // namespace

void add_push_send(CLI::App& parent, Context& context) {
  auto options = std::make_shared<SendOptions>();
  CLI::App* command = parent.add_subcommand("send", "Send a push to a device");
  add_target_options(*command, options->target);
  std::vector<std::string> kinds;
  kinds.reserve(kPushKinds.size());
  for (const PushKindRow& row : kPushKinds) kinds.emplace_back(row.kind);
  command->add_option("--kind", options->kind, "What it asks for (default: sync)")
      ->type_name("KIND")
      ->check(CLI::IsMember(kinds));
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
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_send(*options, context); };
  });
}

}  // namespace kscpush::cli

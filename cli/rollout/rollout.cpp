// kscpush rollout: pushes to many devices, sent at a pace.
#include <ostream>

#include "cli/commands.hpp"
#include "cli/rollout/rollout_view.hpp"
#include "cli/support/output.hpp"
#include "core/ids.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct RolloutOptions {
  std::string id;
  std::string dp;
};

const std::vector<Column> kColumns{
    {"ID", "/id"},           {"KIND", "/kind"},
    {"STATE", "/state"},     {"DEVICES", "/targets"},
    {"PUSHED", "/pushed"},   {"FAILED", "/failed"},
    {"CREATED", "/created"}, {"REASON", "/reason", /*wide_only=*/true}};

Status list(const RolloutOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  ListPrinter printer(kColumns, "/id", context);
  json next;
  do {
    const auto page =
        api->get(next.is_null() ? "/v1/rollouts"
                                : fmt::format("/v1/rollouts?after={}", next.get<std::int64_t>()));
    if (!page) return fail(page.error());
    printer.add(page->at("rollouts"));
    next = page->at("next");
  } while (!next.is_null());
  printer.finish();
  return {};
}

Status show(const RolloutOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const auto rollout = api->get("/v1/rollouts/" + options.id);
  if (!rollout) return fail(rollout.error());
  print_rollout(*rollout, context);
  return {};
}

Status watch(const RolloutOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  // First without patience: what is to be watched must be there.
  auto rollout = api->get("/v1/rollouts/" + options.id);
  if (rollout) rollout = watch_rollout(*api, options.id, context);
  if (!rollout) return fail(rollout.error());
  print_rollout(*rollout, context);
  context.out.flush();
  return rollout_outcome(*rollout);
}

Status cancel(const RolloutOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const auto rollout = api->remove("/v1/rollouts/" + options.id);
  if (!rollout) return fail(rollout.error());
  print_rollout(*rollout, context);
  return {};
}

using Action = Status (*)(const RolloutOptions&, Context&);

void add(CLI::App& parent, const std::string& name, const std::string& help, bool takes_id,
         Action action, Context& context) {
  auto options = std::make_shared<RolloutOptions>();
  CLI::App* command = parent.add_subcommand(name, help);
  if (takes_id) command->add_option("id", options->id, "Rollout id")->type_name("ID")->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, takes_id, action, &context] {
    context.action = [options, takes_id, action, &context]() -> Status {
      if (takes_id) {
        if (auto id = Ulid::parse(options->id, "rollout"); !id) return fail(id.error());
      }
      return action(*options, context);
    };
  });
}

}  // namespace

void add_rollout(CLI::App& parent, Context& context) {
  CLI::App* command = parent.add_subcommand(
      "rollout", "Pushes to many devices: how far they are, 'push send' begins them");
  command->require_subcommand(1);
  add(*command, "list", "The rollouts, newest first", false, list, context);
  add(*command, "show", "How far a rollout is", true, show, context);
  add(*command, "watch", "The same until all devices have acknowledged, or failed", true, watch,
      context);
  add(*command, "cancel", "Take back what was not sent yet", true, cancel, context);
}

}  // namespace kscpush::cli

// kscpush push cancel
#include "cli/commands.hpp"
#include "cli/push/push_view.hpp"

namespace kscpush::cli {
namespace {

struct CancelOptions {
  std::string id;
  std::string dp;
};

Status run_cancel(const CancelOptions& options, Context& context) {
  const auto id = Ulid::parse(options.id);
  if (!id) return fail(id.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const auto push = api->remove(fmt::format("/v1/pushes/{}", id->str()));
  if (!push) return fail(push.error());
  print_push(*push, context);
  return {};
}

}  // namespace

void add_push_cancel(CLI::App& parent, Context& context) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App* command = parent.add_subcommand("cancel", "Take back a push that was not sent yet");
  command->add_option("id", options->id, "Push id")->type_name("ID")->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_cancel(*options, context); };
  });
}

}  // namespace kscpush::cli

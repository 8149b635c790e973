// kscpush push show
#include <ostream>

#include "cli/commands.hpp"
#include "cli/push/push_view.hpp"

namespace kscpush::cli {
namespace {

struct ShowOptions {
  std::string id;
  WaitOptions wait;
  std::string dp;
};

Status run_show(const ShowOptions& options, Context& context) {
  const auto id = Ulid::parse(options.id);
  if (!id) return fail(id.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  // First without patience: who is to be waited for must be there.
  auto push = api->get(fmt::format("/v1/pushes/{}", id->str()));
  if (push && !options.wait.state.empty()) {
    push = wait_for_push(*api, std::string(id->str()), options.wait, context);
  }
  if (!push) return fail(push.error());
  print_push(*push, context);
  context.out.flush();
  return options.wait.state.empty() ? Status() : outcome(*api, *push, options.wait);
}

}  // namespace

void add_push_show(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command =
      parent.add_subcommand("show", "How far a push is, with the time of each step");
  command->add_option("id", options->id, "Push id")->type_name("ID")->required();
  add_wait_options(*command, options->wait);
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_show(*options, context); };
  });
}

}  // namespace kscpush::cli

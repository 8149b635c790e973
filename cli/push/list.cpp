// kscpush push list
#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "core/push.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kPage = 1000;

struct ListOptions {
  std::string device;
  std::string state;
  std::string kind;
  std::string rollout;
  std::size_t limit = 0;
  std::string dp;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all{{"ID", "/id"},
                                       {"DEVICE", "/device"},
                                       {"KIND", "/kind"},
                                       {"STATE", "/state"},
                                       {"STORED", "/times/stored"},
                                       {"ATTEMPTS", "/attempts"},
                                       {"REASON", "/reason"},
                                       {"EXPIRES", "/expires", true},
                                       {"SENT", "/times/sent", true},
                                       {"ACKED", "/times/acked", true},
                                       {"COMPLETED", "/times/completed", true}};
  return all;
}

std::string query_of(const ListOptions& options) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, ApiClient::escape(value));
  };
  add("device", options.device);
  add("state", options.state);
  add("kind", options.kind);
  add("rollout", options.rollout);
  return query;
}

Status run_list(const ListOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  ListPrinter printer(columns(), "/id", context);
  const std::string filter = query_of(options);
  std::size_t shown = 0;
  std::string after;
  do {
    const std::size_t left = options.limit == 0 ? kPage : std::min(kPage, options.limit - shown);
    const auto page = api->get(fmt::format("/v1/pushes?limit={}{}{}", left, after, filter));
    if (!page) return fail(page.error());
    printer.add(page->at("pushes"));
    shown += page->at("pushes").size();
    const json& next = page->at("next");
    after = next.is_null() ? "" : fmt::format("&after={}", next.get<std::int64_t>());
  } while (!after.empty() && (options.limit == 0 || shown < options.limit));
  printer.finish();
  return {};
}

}  // namespace

void add_push_list(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = parent.add_subcommand("list", "The pushes, newest first");
  std::vector<std::string> states;
  for (std::size_t i = 1; i < kPushStates; ++i) states.emplace_back(to_string(PushState(i)));
  command->add_option("--device", options->device, "Those to this device")->type_name("DEVICE");
  command->add_option("--state", options->state, "Those in this state")
      ->type_name("STATE")
      ->check(CLI::IsMember(states));
  command->add_option("--kind", options->kind, "Those of this kind")->type_name("KIND");
  command->add_option("--rollout", options->rollout, "Those of this rollout")->type_name("ID");
  command->add_option("--limit", options->limit, "At most so many (default: all)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000'000));
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_list(*options, context); };
  });
}

}  // namespace kscpush::cli

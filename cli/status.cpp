// kscpush status: which devices do what the configuration wants of them.
#include <map>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "cli/support/targets.hpp"
#include "server/sync/compliance.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{30};
constexpr std::size_t kPage = 1000;
constexpr std::size_t kIdsAtOnce = 32;  // in one URL

struct StatusOptions {
  TargetOptions target;
  std::string state;
  std::string dp;
};

const std::vector<Column> kColumns{{"DEVICE", "/id"},
                                   {"GROUP", "/group"},
                                   {"STATE", "/state"},
                                   {"DESIRED", "/desired", true},
                                   {"REPORTED", "/reported"},
                                   {"SINCE", "/since"},
                                   {"CONNECTED", "/connected"},
                                   {"LAST SEEN", "/last_seen"},
                                   {"RESYNC SINCE", "/resync_required/since", true},
                                   {"RESULT", "/result"}};

using Counts = std::map<std::string, std::uint64_t>;

// The queries that together ask for the targets.
std::vector<std::string> queries_of(const json& targets) {
  for (const char* name : {"group", "select"}) {
    if (!targets.contains(name)) continue;
    return {fmt::format("&{}={}", name, ApiClient::escape(targets.at(name).get<std::string>()))};
  }
  if (!targets.contains("devices")) return {""};
  std::vector<std::string> queries;
  const json& ids = targets.at("devices");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto id = ApiClient::escape(ids.at(i).get<std::string>());
    if (i % kIdsAtOnce == 0) {
      queries.push_back("&devices=" + id);
    } else {
      queries.back() += "," + id;
    }
  }
  return queries;
}

Status print_all(const ApiClient& api, const std::string& query, ListPrinter& printer,
                 Counts& counts) {
  std::string after;
  do {
    const auto page =
        api.get(fmt::format("/v1/compliance?limit={}{}{}", kPage, after, query), kTimeout);
    if (!page) return fail(page.error());
    printer.add(page->at("devices"));
    for (const auto& [state, count] : page->at("counts").items()) {
      counts[state] += count.get<std::uint64_t>();
    }
    const json& next = page->at("next");
    after = next.is_null() ? "" : "&after=" + ApiClient::escape(next.get<std::string>());
  } while (!after.empty());
  return {};
}

Status run_status(StatusOptions options, Context& context) {
  TargetOptions& target = options.target;
  target.all = target.all || (target.devices.empty() && target.group.empty() &&
                              target.select.empty() && target.from.empty());
  const auto targets = target_fields(target);
  if (!targets) return fail(targets.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  ListPrinter printer(kColumns, "/id", context);
  Counts counts;
  for (std::string query : queries_of(*targets)) {
    if (!options.state.empty()) query += "&state=" + options.state;
    if (auto printed = print_all(*api, query, printer, counts); !printed) return printed;
  }
  printer.finish();
  if (prints_text(context)) {
    context.out << fmt::format("{} in sync, {} pending, {} failed, {} offline\n", counts["in_sync"],
                               counts["pending"], counts["failed"], counts["offline"]);
  }
  return {};
}

}  // namespace

void add_status(CLI::App& parent, Context& context) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = parent.add_subcommand(
      "status", "Which devices have applied the policy that they should have (default: all)");
  add_target_options(*command, options->target);
  std::vector<std::string> states;
  for (std::size_t i = 0; i < server::kCompliances; ++i) {
    states.emplace_back(to_string(static_cast<server::Compliance>(i)));
  }
  command->add_option("--state", options->state, "Only those in this state")
      ->type_name("STATE")
      ->check(CLI::IsMember(states));
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_status(*options, context); };
  });
}

}  // namespace kscpush::cli

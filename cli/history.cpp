// kscpush history: the configurations that a push server has run, and what each changed.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/plan_view.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "cli/support/positive.hpp"
#include "cli/support/site_file.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct HistoryOptions {
  std::string dp;
  std::int64_t revision = 0;  // 0: all
  std::int64_t limit = 20;
  bool files = false;
};

Status show_list(const ApiClient& client, const HistoryOptions& options, Context& context) {
  const auto page = client.get(fmt::format("/v1/site/revisions?limit={}", options.limit));
  if (!page) return fail(page.error());
  print_list(page->at("revisions"),
             {{"REVISION", "/revision"},
              {"APPLIED", "/applied"},
              {"HOW", "/how"},
              {"COMMENT", "/comment"},
              {"HASH", "/hash", true}},
             "/revision", context);
  if (!page->value("next", json()).is_null()) {
    print_note(fmt::format("There are older ones: --limit {}.", options.limit * 10), context);
  }
  return {};
}

Status show_one(const ApiClient& client, const HistoryOptions& options, Context& context) {
  const auto revision = client.get(fmt::format("/v1/site/revisions/{}", options.revision));
  if (!revision) return fail(revision.error());
  if (!prints_text(context)) {
    print_object(*revision, {}, "/revision", context);
    return {};
  }
  if (options.files) {
    for (const json& file : revision->at("files")) {
      context.out << fmt::format("# {}\n{}", file.value("name", ""), file.value("text", ""));
    }
    return {};
  }
  context.out << fmt::format("Revision {}, applied {} ({}){}{}\n", options.revision,
                             revision->value("applied", ""), revision->value("how", ""),
                             revision->value("comment", "").empty() ? "" : ": ",
                             revision->value("comment", ""));
  const json plan = revision->value("plan", json());
  const auto lines = plan.is_object() ? plan_lines(plan) : std::vector<std::string>();
  for (const std::string& line : lines) context.out << line << '\n';
  if (lines.empty()) {
    context.out << (plan.is_object() ? "Only the text differs from the revision before.\n"
                                     : "There was nothing to compare it with.\n");
  }
  return {};
}

Status run_history(const HistoryOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto client = api_client(**dp, site::server_paths(**dp, file->folder()));
  if (!client) return fail(client.error());
  return options.revision == 0 ? show_list(*client, options, context)
                               : show_one(*client, options, context);
}

}  // namespace

void add_history(CLI::App& parent, Context& context) {
  auto options = std::make_shared<HistoryOptions>();
  CLI::App* command = parent.add_subcommand(
      "history", "The configurations that the push server has run; of one, what it changed");
  command->add_option("revision", options->revision, "One revision (default: list them)")
      ->type_name("REV")
      ->check(positive_number());
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->add_option("--limit", options->limit, "How many of the newest to list")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--files", options->files, "Of one revision: its files as they were");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_history(*options, context); };
  });
}

}  // namespace kscpush::cli

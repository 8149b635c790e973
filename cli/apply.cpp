// kscpush diff, apply, rollback: the configuration of the files against the one that the push
// server runs, and the one in the other's place.
#include <algorithm>
#include <array>
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/plan_view.hpp"
#include "cli/rollout/rollout_view.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "cli/support/pace.hpp"
#include "cli/support/positive.hpp"
#include "cli/support/site_file.hpp"
#include "server/admin/json.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

// A look at each of a million devices takes seconds.
constexpr std::chrono::seconds kPlanTimeout{70};
constexpr double kSilence = 30;  // seconds without an answer, then --watch gives up

struct ApplyOptions {
  std::string dp;
  std::string comment;
  std::int64_t revision = 0;
  bool dry_run = false;
  bool sync = true;
  bool watch = false;
  PaceOptions pace;
};

struct Target {
  SiteFile file;
  std::string dp;
  ApiClient client;
};

Result<Target> find_target(const std::string& name, const Context& context) {
  auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, name);
  if (!dp) return fail(dp.error());
  auto client = api_client(**dp, site::server_paths(**dp, file->folder()));
  if (!client) return fail(client.error());
  std::string chosen = (*dp)->name;
  return Target{std::move(*file), std::move(chosen), std::move(*client)};
}

void print_plan(const json& plan, const Context& context) {
  if (!prints_text(context)) return print_object(plan, {}, "/to", context);
  for (const std::string& line : plan_lines(plan)) context.out << line << '\n';
}

void print_notes(const json& plan, const Context& context) {
  for (const json& note : plan.value("notes", json::array())) {
    print_note(note.get<std::string>(), context);
  }
}

bool same(const json& plan) {
  return plan.value("changes", json::array()).empty();
}

// Whether any device would be answered otherwise than now when it synchronizes.
bool concerns_devices(const json& plan) {
  constexpr std::array kCounts{"policy_changes", "moved", "relisted"};
  return std::ranges::any_of(
      kCounts, [&](const char* key) { return plan.value(key, std::uint64_t{0}) > 0; });
}

json files_of(const Target& target) {
  return {{"files", server::to_json(target.file.sources.bundle())}};
}

// What apply and rollback say beside which configuration.
json with_options(json body, const ApplyOptions& options) {
  body["comment"] = options.comment;
  body["sync"] = options.sync;
  if (options.sync) body.update(pace_fields(options.pace));
  return body;
}

Status check(const ApplyOptions& options) {
  if (options.sync || !(options.pace.given() || options.watch)) return {};
  return fail({ErrorCode::kUsage, "with --no-sync there is nothing to pace, nor to watch", ""});
}

Status run_diff(const ApplyOptions& options, Context& context) {
  const auto target = find_target(options.dp, context);
  if (!target) return fail(target.error());
  const auto plan = target->client.post("/v1/site/plan", files_of(*target), kPlanTimeout);
  if (!plan) return fail(plan.error());
  print_plan(*plan, context);
  print_notes(*plan, context);
  if (!same(*plan)) return fail({ErrorCode::kFailed, "", ""});
  if (prints_text(context)) {
    context.out << fmt::format("No difference: the push server of '{}' runs revision {}.\n",
                               target->dp, plan->value("from", std::int64_t{0}));
  }
  return {};
}

// Shows what was done, or would be.
void report(const json& plan, const std::string& dp, bool dry_run, const Context& context) {
  print_plan(plan, context);
  print_notes(plan, context);
  if (!prints_text(context)) return;
  const auto from = plan.value("from", std::int64_t{0});
  const auto to = plan.value("to", std::int64_t{0});
  if (dry_run) {
    context.out << fmt::format(
        "{}; nothing was applied to the push server of '{}' (revision {}).\n",
        same(plan) ? "No difference" : "This would change", dp, from);
  } else if (from == to) {
    context.out << fmt::format(
        "No difference: the push server of '{}' stays at revision {}; it has read its "
        "certificates again.\n",
        dp, from);
  } else {
    context.out << fmt::format(
        "Applied: the push server of '{}' runs revision {} (before: {}){}.\n", dp, to, from,
        same(plan) ? ", of which only the text differs" : "");
  }
}

// The devices that are told to synchronize; with --watch until all have answered.
Status follow_sync(const json& plan, const ApplyOptions& options, const ApiClient& api,
                   const Context& context) {
  if (options.dry_run) {
    if (options.sync && concerns_devices(plan)) {
      print_note(
          "Those in the scope of this push server would be told to synchronize "
          "(--no-sync: not).",
          context);
    }
    return {};
  }
  const json sync = plan.value("sync", json());
  if (sync.is_null()) return {};
  if (!sync.at("error").is_null()) {
    return fail(within("the configuration runs, but its devices are not told to synchronize",
                       error_from_json(sync.at("error"))));
  }
  const auto id = sync.at("rollout").at("id").get<std::string>();
  print_note(
      fmt::format("Synchronizing {}: 'kscpush rollout watch {}' shows how far that is, 'kscpush "
                  "status' which have applied it.",
                  count_devices(sync.at("devices").get<std::uint64_t>()), id),
      context);
  if (!options.watch) return {};
  context.out.flush();
  const auto watched = watch_rollout(api, id, context, {PushState::kCompleted, kSilence});
  if (!watched) return fail(watched.error());
  if (prints_text(context)) print_rollout(*watched, context);
  return rollout_outcome(*watched);
}

Status run_apply(const ApplyOptions& options, Context& context) {
  if (auto fits = check(options); !fits) return fits;
  const auto target = find_target(options.dp, context);
  if (!target) return fail(target.error());
  const json body = with_options(files_of(*target), options);
  const auto plan = options.dry_run ? target->client.post("/v1/site/plan", body, kPlanTimeout)
                                    : target->client.put("/v1/site", body, kPlanTimeout);
  if (!plan) return fail(plan.error());
  report(*plan, target->dp, options.dry_run, context);
  return follow_sync(*plan, options, target->client, context);
}

Status run_rollback(const ApplyOptions& options, Context& context) {
  if (auto fits = check(options); !fits) return fits;
  const auto target = find_target(options.dp, context);
  if (!target) return fail(target.error());
  const auto plan = target->client.post(fmt::format("/v1/site/revisions/{}/{}", options.revision,
                                                    options.dry_run ? "plan" : "rollback"),
                                        with_options(json::object(), options), kPlanTimeout);
  if (!plan) return fail(plan.error());
  report(*plan, target->dp, options.dry_run, context);
  if (!options.dry_run && prints_text(context)) {
    print_note("The files still say otherwise: 'kscpush diff' shows how; bring them back with git.",
               context);
  }
  return follow_sync(*plan, options, target->client, context);
}

std::shared_ptr<ApplyOptions> add_command(CLI::App& parent, Context& context,
                                          const std::string& name, const std::string& help,
                                          Status (*run)(const ApplyOptions&, Context&),
                                          CLI::App** command) {
  auto options = std::make_shared<ApplyOptions>();
  *command = parent.add_subcommand(name, help);
  (*command)
      ->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  (*command)->callback([options, run, &context] {
    context.action = [options, run, &context] { return run(*options, context); };
  });
  return options;
}

void add_change_options(CLI::App& command, ApplyOptions& options) {
  command.add_option("-m,--comment", options.comment, "Why, for the history")->type_name("TEXT");
  command.add_flag("--dry-run", options.dry_run, "Say what would change; change nothing");
  command.add_flag("--sync,!--no-sync", options.sync,
                   "Tell the devices whose effective policy or push servers change to synchronize "
                   "(default), or leave it until they come");
  add_pace_options(command, options.pace);
  command.add_flag("--watch", options.watch, "Wait for their answers");
}

}  // namespace

void add_diff(CLI::App& parent, Context& context) {
  CLI::App* command = nullptr;
  add_command(parent, context, "diff",
              "What the files would change on the running push server (exit code 1: something)",
              run_diff, &command);
}

void add_apply(CLI::App& parent, Context& context) {
  CLI::App* command = nullptr;
  const auto options =
      add_command(parent, context, "apply", "Make the running push server run what the files say",
                  run_apply, &command);
  add_change_options(*command, *options);
}

void add_rollback(CLI::App& parent, Context& context) {
  CLI::App* command = nullptr;
  const auto options = add_command(parent, context, "rollback",
                                   "Make the running push server run an earlier revision again",
                                   run_rollback, &command);
  command->add_option("revision", options->revision, "Its number ('kscpush history' lists them)")
      ->type_name("REV")
      ->required()
      ->check(positive_number());
  add_change_options(*command, *options);
}

}  // namespace kscpush::cli

// kscpush policy effective, explain: what a device should do, and why.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/output.hpp"
#include "policy/resolve.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;
using policy::Candidate;

struct ExplainOptions {
  SubjectOptions subject;
  std::string setting;
  std::vector<std::string> local;
};

std::string source_of(const site::Policy* policy, const site::Profile* profile) {
  if (policy == nullptr) return "default";
  if (profile == nullptr) return fmt::format("policy '{}' of '{}'", policy->name, policy->group);
  return fmt::format("profile '{}' of policy '{}' of '{}'", profile->name, policy->name,
                     policy->group);
}

constexpr const char* kLocalSource = "local setting of the device";

// Nothing for a group: groups report nothing.
std::string reported_note(const Subject& subject, const std::string& desired) {
  return subject.id.empty() ? "" : fmt::format(" ({})", describe_reported(subject, desired));
}

Status run_effective(const SubjectOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto subject = find_subject(options, *file, context);
  if (!subject) return fail(subject.error());
  policy::Resolver resolver(file->site);
  const auto effective = resolver.resolve(subject->facts());
  json list = json::array();
  for (const policy::EffectiveValue& value : effective->values) {
    const auto own = subject->local.find(std::string(value.row->path));
    const bool local = !value.locked && own != subject->local.end();
    list.push_back({{"setting", value.row->path},
                    {"value", local ? std::string_view(own->second) : value.value},
                    {"lock", value.locked ? "locked" : "open"},
                    {"from", local ? kLocalSource : source_of(value.policy, value.profile)}});
  }
  print_list(list,
             {{"SETTING", "/setting"}, {"VALUE", "/value"}, {"LOCK", "/lock"}, {"FROM", "/from"}},
             "/setting", context);
  std::vector<std::string> profiles;
  for (const site::Profile* profile : effective->active_profiles) profiles.push_back(profile->name);
  print_note(fmt::format("Effective for {}, revision {}{}; active profiles: {}.", subject->title,
                         effective->revision, reported_note(*subject, effective->revision),
                         profiles.empty() ? "none" : fmt::format("{}", fmt::join(profiles, ", "))),
             context);
  return {};
}

json to_json(const Candidate& candidate) {
  json result{{"value", candidate.value},
              {"outcome", to_string(candidate.outcome)},
              {"wins", candidate.outcome == Candidate::Outcome::kWins},
              {"lock", candidate.locked ? "locked" : "open"},
              {"where", nullptr}};
  switch (candidate.source) {
    case Candidate::Source::kLocal:
      result["from"] = kLocalSource;
      break;
    case Candidate::Source::kDefault:
      result["from"] = "default";
      result["lock"] = nullptr;
      break;
    case Candidate::Source::kPolicy:
    case Candidate::Source::kProfile:
      result["from"] = source_of(candidate.policy, candidate.profile);
      result["where"] = to_string(candidate.origin);
      break;
  }
  return result;
}

Result<policy::LocalSettings> parse_local(const std::vector<std::string>& texts) {
  policy::LocalSettings local;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const auto row = policy::require_setting(text.substr(0, equals));
    if (!row) return fail(row.error());
    const auto value = policy::parse_value(
        **row, equals == std::string::npos ? "true" : std::string_view(text).substr(equals + 1));
    if (!value) return fail(value.error());
    local.insert_or_assign(std::string((*row)->path), *value);
  }
  return local;
}

void print_explanation(const policy::Explanation& explanation, std::ostream& out) {
  out << fmt::format("{} = {}\n", explanation.row->path, explanation.candidates.front().value);
  for (const Candidate& candidate : explanation.candidates) {
    const json shown = to_json(candidate);
    out << fmt::format(
        "  {} {:<7} {}{}{}\n", candidate.outcome == Candidate::Outcome::kWins ? "*" : " ",
        candidate.value, shown["from"].get<std::string>(),
        shown["where"].is_null() ? ""
                                 : fmt::format(", {}, {}", shown["lock"].get<std::string>(),
                                               shown["where"].get<std::string>()),
        candidate.outcome == Candidate::Outcome::kWins ||
                candidate.outcome == Candidate::Outcome::kNobodyAsked
            ? ""
            : fmt::format(": {}", to_string(candidate.outcome)));
  }
}

// With --group and one word, that word is the setting: there is no device to name.
ExplainOptions sorted_out(ExplainOptions options) {
  const bool one_word = !options.subject.device.empty() && options.setting.empty();
  if (one_word && !options.subject.group.empty() &&
      policy::find_setting(options.subject.device) != nullptr) {
    options.setting = std::exchange(options.subject.device, "");
  }
  return options;
}

Status run_explain(const ExplainOptions& given, Context& context) {
  const ExplainOptions options = sorted_out(given);
  const policy::SettingRow* only = nullptr;
  if (!options.setting.empty()) {
    const auto row = policy::require_setting(options.setting);
    if (!row) return fail(row.error());
    only = *row;
  }
  auto local = parse_local(options.local);
  if (!local) return fail(local.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto subject = find_subject(options.subject, *file, context);
  if (!subject) return fail(subject.error());
  local->insert(subject->local.begin(), subject->local.end());  // what is there already stands
  policy::Resolver resolver(file->site);
  const std::string revision = resolver.resolve(subject->facts())->revision;
  json list = json::array();
  const bool text = prints_text(context);
  if (text) context.out << fmt::format("For {}:\n", subject->title);
  if (!subject->id.empty()) {
    print_note(fmt::format("Desired revision {}{}.", revision, reported_note(*subject, revision)),
               context);
  }
  for (const auto& explanation : resolver.explain(subject->facts(), *local, only)) {
    // What nobody sets is the default; asked for by name it is shown all the same.
    if (only == nullptr && explanation.candidates.size() == 1) continue;
    if (text) print_explanation(explanation, context.out);
    json candidates = json::array();
    for (const Candidate& candidate : explanation.candidates) {
      candidates.push_back(to_json(candidate));
    }
    list.push_back({{"setting", explanation.row->path}, {"candidates", std::move(candidates)}});
  }
  if (!text) print_list(list, {}, "/setting", context);
  return {};
}

}  // namespace

void add_policy_effective(CLI::App& parent, Context& context) {
  auto options = std::make_shared<SubjectOptions>();
  CLI::App* command =
      parent.add_subcommand("effective", "Every setting as it is for a device or a group");
  options->add_to(*command);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_effective(*options, context); };
  });
}

void add_policy_explain(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = parent.add_subcommand(
      "explain", "Why a setting has its value: the winner, and why each other lost");
  options->subject.add_to(*command);
  command->add_option("setting", options->setting, "One setting (default: all that are set)")
      ->type_name("SETTING");
  command
      ->add_option("--local", options->local,
                   "As if the device had this local setting: SETTING=VALUE (repeatable)")
      ->type_name("SETTING=VALUE")
      ->allow_extra_args(false);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_explain(*options, context); };
  });
}

}  // namespace kscpush::cli

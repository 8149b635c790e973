// kscpush policy edit: one policy in the user's editor, checked before it is written.
#include <algorithm>
#include <iterator>
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/policy/target.hpp"
#include "cli/support/edit_command.hpp"
#include "cli/support/editor.hpp"
#include "cli/support/site_file.hpp"
#include "core/yaml/excerpt.hpp"

namespace kscpush::cli {
namespace {

struct EditOptions {
  PolicyTarget target;
  bool dry_run = false;
};

// The lines on top that are not part of the policy, told from the user's own comments.
constexpr std::string_view kOurs = "#|";
constexpr int kMostRounds = 50;  // an editor that is a script may go on for ever

std::string without_header(std::string text) {
  std::erase(text, '\r');  // an editor may have made CR LF of the line ends; the file has its own
  while (text.starts_with(kOurs)) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\n") == std::string_view::npos;
}

class PolicyEditor {
 public:
  PolicyEditor(const SiteFile& file, const site::Policy& policy)
      : file_(file),
        policy_(policy),
        document_(file.sources.document(policy.place.document)),
        path_{"policies", policy.place.index} {}

  Status run(bool dry_run, const Context& context) {
    const auto excerpt = yaml::excerpt(document_, path_);
    if (!excerpt) return fail(excerpt.error());
    excerpt_ = *excerpt;
    auto temporary = EditedFile::create("policy.yaml", context);
    if (!temporary) return fail(temporary.error());
    std::string text = excerpt->text;
    for (int round = 1;; ++round) {
      auto edited = temporary->edit(header() + text, context);
      if (!edited) return fail(edited.error());
      *edited = without_header(std::move(*edited));
      if (blank(*edited)) {
        return fail({ErrorCode::kFailed, "the text was emptied; nothing was written",
                     "to remove the policy: kscpush policy remove"});
      }
      if (*edited == excerpt->text) {
        print_change(file_, {}, title() + " is as it was", dry_run, context);
        return {};
      }
      const bool given_up = (round > 1 && *edited == text) || round == kMostRounds;
      text = std::move(*edited);
      auto sources = check(text);
      if (sources) return save(*sources, dry_run, *temporary, context);
      if (given_up) {
        return fail({ErrorCode::kInvalidConfig,
                     fmt::format("{}: {}; nothing was written", to_string(findings_[0].origin),
                                 findings_[0].message),
                     fmt::format("the text is kept in {}", temporary->keep().string())});
      }
    }
  }

 private:
  [[nodiscard]] std::string title() const {
    return fmt::format("policy '{}' of group '{}'", policy_.name, policy_.group);
  }

  // The site with TEXT; without a value the findings say why.
  Result<site::Sources> check(const std::string& text) {
    findings_.clear();
    excerpt_lines_ = static_cast<int>(std::ranges::count(text, '\n')) + 1;
    auto sources = file_.sources.edit(policy_.place.document, [&](const yaml::Document& old) {
      return yaml::replace_excerpt(old, path_, text);
    });
    if (!sources) {
      findings_.push_back(to_diagnostic(sources.error(), document_.name()));
      return sources;
    }
    const CheckedSite checked = check_sources(file_.path, *sources);
    if (!has_errors(checked.diagnostics)) return sources;
    std::ranges::copy_if(checked.diagnostics, std::back_inserter(findings_),
                         [](const auto& d) { return d.severity == Severity::kError; });
    return fail(ErrorCode::kInvalidConfig, "");
  }

  // With errors, if there were any, at the lines that they have below the header.
  [[nodiscard]] std::string header() const {
    constexpr int kFixed = 4;
    const int lines = kFixed + static_cast<int>(findings_.size());
    std::string text;
    for (const Diagnostic& d : findings_) {
      std::string finding = place(d.origin, lines) + ": " + d.message;
      if (!d.hint.empty()) finding += fmt::format(" ({})", d.hint);
      std::ranges::replace(finding, '\n', ' ');
      text += fmt::format("{} error: {}\n", kOurs, finding);
    }
    text += fmt::format("{0} This is {1}, from {2}:{3}.\n", kOurs, title(), document_.name(),
                        excerpt_.begin.line);
    text += fmt::format("{} It is checked and written when you leave the editor.\n", kOurs);
    text += fmt::format("{} Leave it as it is, or empty, and nothing is written.\n", kOurs);
    text += fmt::format("{} These lines are not part of it.\n", kOurs);
    return text;
  }

  // At its place in the text that is edited, if it is there.
  [[nodiscard]] std::string place(const Origin& origin, int header_lines) const {
    const int line = origin.line - excerpt_.begin.line;
    const bool outside =
        origin.file != document_.name() || line < 0 || line >= excerpt_lines_ || origin.line == 0;
    if (outside) return to_string(origin);
    const int indent = line == 0 ? excerpt_.begin.column - 1 : excerpt_.indent;
    return fmt::format("line {}, column {}", line + 1 + header_lines,
                       std::max(1, origin.column - indent));
  }

  Status save(const site::Sources& edited, bool dry_run, EditedFile& temporary,
              const Context& context) {
    const auto change = save_site(file_, edited, dry_run, context);
    if (!change) {
      Error error = change.error();
      error.hint = fmt::format("{}{}the text is kept in {}", error.hint,
                               error.hint.empty() ? "" : "; ", temporary.keep().string());
      return fail(std::move(error));
    }
    print_change(file_, *change, title() + " edited", dry_run, context);
    return {};
  }

  const SiteFile& file_;
  const site::Policy& policy_;
  const yaml::Document& document_;
  const yaml::Path path_;
  yaml::Excerpt excerpt_;
  Diagnostics findings_;   // errors of the text as it was left
  int excerpt_lines_ = 0;  // of that text
};

Status run_policy_edit(const EditOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto policy = choose_policy(*file, options.target.name, options.target.group);
  if (!policy) return fail(policy.error());
  return PolicyEditor(*file, **policy).run(options.dry_run, context);
}

}  // namespace

void add_policy_edit(CLI::App& parent, Context& context) {
  auto options = std::make_shared<EditOptions>();
  CLI::App* command =
      parent.add_subcommand("edit", "Edit a policy in $VISUAL or $EDITOR; checked, then written");
  options->target.add_to(*command);
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_policy_edit(*options, context); };
  });
}

}  // namespace kscpush::cli

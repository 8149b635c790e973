// kscpush policy set, unset, lock, unlock: edits of one setting.
#include <functional>

#include "cli/commands.hpp"
#include "cli/policy/target.hpp"
#include "cli/support/edit_command.hpp"
#include "policy/edit.hpp"
#include "policy/halves.hpp"
#include "policy/resolve.hpp"

namespace kscpush::cli {
namespace {

using policy::Lock;
using policy::SettingRow;

struct SettingOptions {
  PolicyTarget target;
  std::string setting;
  std::vector<std::string> values;
  bool lock = false;
  bool open = false;
  bool dry_run = false;
};

// What an edit does, and how it is told.
struct Edit {
  std::function<site::Edited(const site::Sources&, const site::Policy&, const SettingRow&)> apply;
  std::string done;
  // It gives the setting a value or a lock, which a lock above would make void.
  bool decides = true;
  std::function<std::string(const SiteFile&, const site::Policy&)> note{};
};

// Which distribution points act on the option that is set, and whether their half is in place.
std::string describe_other_half(const SiteFile& file, const site::Policy& policy) {
  const auto dps = policy::distribution_points_for(file.site, policy);
  if (dps.empty()) {
    return fmt::format(
        "The other half is missing: no distribution point has group '{}' in its scope.",
        policy.group);
  }
  std::vector<std::string> lines;
  for (const site::DistributionPoint* dp : dps) {
    lines.push_back(
        dp->push_server.enabled
            ? fmt::format("The other half is in place: the push server of '{}' is on, port {}.",
                          dp->name, dp->push_server.port.value())
            : fmt::format("The other half is missing: the push server of '{0}' is off.\n"
                          "Switch it on: kscpush dp enable {0} --port {1}",
                          dp->name, dp->push_server.port.value()));
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

Status check_no_lock_above(const SiteFile& file, const site::Policy& policy,
                           const SettingRow& row) {
  const auto lock = policy::Resolver(file.site).lock_above(policy, row);
  if (!lock) return {};
  return fail({ErrorCode::kConflict,
               fmt::format("{} cannot be set in policy '{}' of group '{}': policy '{}' of group "
                           "'{}' locks it to {} ({})",
                           row.path, policy.name, policy.group, lock->policy->name,
                           lock->policy->group, lock->value, to_string(lock->origin)),
               "open it there (kscpush policy unlock), or let this policy not inherit"});
}

Status edit_setting(const SettingOptions& options, const Edit& edit, Context& context) {
  const auto row = policy::require_setting(options.setting);
  if (!row) return fail(row.error());
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        const auto policy = choose_policy(file, options.target.name, options.target.group);
        if (!policy) return fail(policy.error());
        if (edit.decides) {
          if (auto free = check_no_lock_above(file, **policy, **row); !free) {
            return fail(free.error());
          }
        }
        auto edited = edit.apply(file.sources, **policy, **row);
        if (!edited) return fail(edited.error());
        return SiteEdit{std::move(*edited),
                        fmt::format("policy '{}' of group '{}': {} {}", (*policy)->name,
                                    (*policy)->group, (*row)->path, edit.done),
                        edit.note ? edit.note(file, **policy) : ""};
      },
      options.dry_run, context);
}

// A list may be given as several words; everything else is one.
Result<std::string> parse_words(const SettingRow& row, const std::vector<std::string>& words) {
  const policy::Kind kind = row.type.kind;
  if (words.empty() && kind == policy::Kind::kBoolean) return std::string("true");
  if (words.empty() && kind != policy::Kind::kRecords) {
    return fail({ErrorCode::kUsage, fmt::format("{} needs a value", row.path),
                 fmt::format("it is {}", policy::describe(row.type))});
  }
  if (words.size() > 1 && kind != policy::Kind::kTexts && kind != policy::Kind::kRecords) {
    return fail({ErrorCode::kUsage, fmt::format("{} takes one value", row.path),
                 fmt::format("it is {}", policy::describe(row.type))});
  }
  return policy::parse_value(row, fmt::format("{}", fmt::join(words, ",")));
}

Status run_policy_set(const SettingOptions& options, Context& context) {
  const auto row = policy::require_setting(options.setting);
  if (!row) return fail(row.error());
  const bool force_via_dp = (*row)->path == policy::kForceViaDp;
  const auto value = parse_words(**row, options.values);
  if (!value) return fail(value.error());
  // An open value is not guaranteed on a device, and this option is useless by halves.
  Lock lock = force_via_dp ? Lock::kLocked : Lock::kKeep;
  if (options.lock) lock = Lock::kLocked;
  if (options.open) lock = Lock::kOpen;
  Edit edit{[&](const auto& sources, const auto& policy, const auto& setting) {
              return policy::set_setting(sources, policy, setting, *value, lock);
            },
            fmt::format("= {}{}", *value,
                        lock == Lock::kLocked ? ", locked"
                        : lock == Lock::kOpen ? ", open"
                                              : "")};
  if (force_via_dp && *value == "true") {
    edit.note = [&](const SiteFile& file, const site::Policy& policy) {
      const bool told = options.open || options.lock;
      return (told ? ""
                   : "Locked, as a device may overwrite an open value (--open leaves it open).\n") +
             describe_other_half(file, policy);
    };
  }
  return edit_setting(options, edit, context);
}

std::shared_ptr<SettingOptions> add_edit(CLI::App& parent, const std::string& name,
                                         const std::string& help, CLI::App** command) {
  auto options = std::make_shared<SettingOptions>();
  *command = parent.add_subcommand(name, help);
  (*command)
      ->add_option("setting", options->setting,
                   "Path or short name, such as force-via-dp ('kscpush policy show "
                   "--all-settings' lists them)")
      ->type_name("SETTING")
      ->required();
  options->target.add_to(**command);
  (*command)->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  return options;
}

void add_simple_edit(CLI::App& parent, const std::string& name, const std::string& help,
                     const Edit& edit, Context& context) {
  CLI::App* command = nullptr;
  auto options = add_edit(parent, name, help, &command);
  command->callback([options, edit, &context] {
    context.action = [options, edit, &context] { return edit_setting(*options, edit, context); };
  });
}

}  // namespace

void add_policy_set(CLI::App& parent, Context& context) {
  CLI::App* command = nullptr;
  auto options = add_edit(parent, "set", "Set a setting", &command);
  command
      ->add_option("value", options->values,
                   "Its value (default: true, for a yes-or-no setting); of a list several, or "
                   "separated by commas, or none")
      ->type_name("VALUE");
  auto* const lock = command->add_flag("--lock", options->lock, "Lock it: enforced on devices");
  command
      ->add_flag("--open", options->open, "Leave it open: devices and child policies may change it")
      ->excludes(lock);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_policy_set(*options, context); };
  });
}

void add_policy_unset(CLI::App& parent, Context& context) {
  add_simple_edit(parent, "unset", "Remove a setting from the policy",
                  {policy::unset_setting, "is not set", /*decides=*/false}, context);
}

void add_policy_lock(CLI::App& parent, Context& context) {
  add_simple_edit(parent, "lock", "Lock a setting: enforced on devices",
                  {[](const auto& sources, const auto& policy, const auto& row) {
                     return policy::lock_setting(sources, policy, row, true);
                   },
                   "is locked"},
                  context);
}

void add_policy_unlock(CLI::App& parent, Context& context) {
  add_simple_edit(parent, "unlock", "Open a setting: devices and child policies may change it",
                  {[](const auto& sources, const auto& policy, const auto& row) {
                     return policy::lock_setting(sources, policy, row, false);
                   },
                   "is open"},
                  context);
}

}  // namespace kscpush::cli

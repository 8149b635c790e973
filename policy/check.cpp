#include "policy/check.hpp"

#include <algorithm>

#include "policy/condition.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {
namespace {

// A section like "connectivity.network", written as a value.
bool is_section(std::string_view path) {
  return std::ranges::any_of(settings(), [&](const SettingRow& row) {
    return row.path.size() > path.size() && row.path.starts_with(path) &&
           row.path[path.size()] == '.';
  });
}

void unknown_setting(const site::Setting& setting, Diagnostics& diagnostics) {
  const auto report = [&](std::string message, std::string hint) {
    diagnostics.push_back({Severity::kError, setting.origin, std::move(message), std::move(hint)});
  };
  if (is_section(setting.path)) {
    if (setting.shape == site::SettingValue::Shape::kNothing) return;  // an empty section
    report(fmt::format("'{}' is a section of settings, not one", setting.path), "");
    return;
  }
  std::vector<std::string> paths;
  for (const SettingRow& row : settings()) {
    paths.emplace_back(row.path);
    if (setting.path.size() > row.path.size() && setting.path.starts_with(row.path) &&
        setting.path[row.path.size()] == '.') {
      report(fmt::format("{} must be {}, not a mapping", row.path, describe(row.type)), "");
      return;
    }
  }
  report(fmt::format("unknown setting '{}'{}", setting.path, suggestion(setting.path, paths)),
         "'kscpush policy show --all-settings' lists the settings");
}

void check_setting(const site::Setting& setting, Diagnostics& diagnostics) {
  const auto row = std::ranges::find(settings(), setting.path, &SettingRow::path);
  if (row == settings().end()) {
    unknown_setting(setting, diagnostics);
    return;
  }
  for (ValueFinding& finding : check_value(*row, setting)) {
    diagnostics.push_back({Severity::kError, std::move(finding.origin), std::move(finding.message),
                           std::move(finding.hint)});
  }
}

void check_condition(const site::Profile& profile, Diagnostics& diagnostics) {
  if (profile.condition.empty()) return;  // reported when it was read
  const auto condition = Condition::parse(profile.condition);
  if (condition) return;
  diagnostics.push_back(
      {Severity::kError, profile.condition_origin,
       fmt::format("the condition of profile '{}', at its byte {}: {}", profile.name,
                   condition.error().column, condition.error().message),
       condition.error().hint});
}

}  // namespace

void check(const site::Site& site, Diagnostics& diagnostics) {
  for (const site::Policy& policy : site.policies) {
    for (const site::Setting& setting : policy.settings) check_setting(setting, diagnostics);
    for (const site::Profile& profile : policy.profiles) {
      for (const site::Setting& setting : profile.settings) check_setting(setting, diagnostics);
      check_condition(profile, diagnostics);
    }
  }
}

}  // namespace kscpush::policy

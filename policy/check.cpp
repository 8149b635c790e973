#include "policy/check.hpp"

#include <algorithm>

#include "core/site/reader.hpp"
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

// In the file a boolean is YAML's own; "on" and "yes" are for the command line.
bool value_fits(const SettingRow& row, const site::Setting& setting) {
  if (!setting.scalar) return false;
  switch (row.type) {
    case Type::kBoolean:
      return !setting.quoted && site::parse_bool(setting.value).has_value();
    case Type::kInteger:
      return !setting.quoted && parse_value(row, setting.value).has_value();
    case Type::kText:
      return parse_value(row, setting.value).has_value();
  }
  return false;
}

void check_setting(const site::Setting& setting, Diagnostics& diagnostics) {
  const SettingRow* row = nullptr;
  for (const SettingRow& candidate : settings()) {
    if (candidate.path == setting.path) row = &candidate;
  }
  if (row == nullptr) {
    if (is_section(setting.path)) {
      if (setting.value.empty() && !setting.scalar) return;  // an empty section
      diagnostics.push_back({Severity::kError, setting.origin,
                             fmt::format("'{}' is a section of settings, not one", setting.path),
                             ""});
      return;
    }
    std::vector<std::string> paths;
    for (const SettingRow& candidate : settings()) paths.emplace_back(candidate.path);
    diagnostics.push_back(
        {Severity::kError, setting.origin,
         fmt::format("unknown setting '{}'{}", setting.path, suggestion(setting.path, paths)),
         "'kscpush policy show --all-settings' lists the settings"});
    return;
  }
  if (!value_fits(*row, setting)) {
    diagnostics.push_back(
        {Severity::kError, setting.origin,
         fmt::format("{} must be {}{}", row->path, describe_type(*row),
                     setting.scalar ? fmt::format(", not '{}'", setting.value.substr(0, 80)) : ""),
         ""});
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

#include "policy/schema.hpp"

#include <algorithm>

#include "core/diagnostic.hpp"

namespace kscpush::policy {

const SettingRow* find_setting(std::string_view name) {
  for (const SettingRow& row : settings()) {
    if (row.path == name || (!row.short_name.empty() && row.short_name == name)) return &row;
  }
  return nullptr;
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const SettingRow& row : settings()) {
    if (!row.short_name.empty()) names.emplace_back(row.short_name);
    names.emplace_back(row.path);
  }
  return names;
}

Result<const SettingRow*> require_setting(std::string_view name) {
  if (const SettingRow* row = find_setting(name)) return row;
  // Someone who leaves the sections out means the one setting that ends like that.
  std::string meant = suggestion(name, setting_names());
  for (const SettingRow& row : settings()) {
    const bool ends = row.path.size() > name.size() && row.path.ends_with(name) &&
                      row.path[row.path.size() - name.size() - 1] == '.';
    if (ends) meant = fmt::format("; did you mean '{}'?", row.path);
  }
  return fail({ErrorCode::kNotFound, fmt::format("no setting '{}'{}", name, meant),
               "'kscpush policy show --all-settings' lists the settings"});
}

namespace {

std::string_view describe(Form form) {
  switch (form) {
    case Form::kAny:
      return "a text";
    case Form::kHost:
      return "a host name or an IP address";
    case Form::kNetwork:
      return "a network as 10.20.0.0/16";
    case Form::kPeriod:
      return "a period as 22:00-06:00";
  }
  return "";
}

}  // namespace

std::string describe(const Type& type) {
  switch (type.kind) {
    case Kind::kBoolean:
      return "true or false";
    case Kind::kInteger:
      return fmt::format("a number from {} to {}", type.least, type.most);
    case Kind::kText:
      return type.form == Form::kAny ? fmt::format("a text of at most {} bytes", type.most)
                                     : std::string(describe(type.form));
    case Kind::kChoice:
      return fmt::format("{}", fmt::join(type.choices, " or "));
    case Kind::kTexts:
      return fmt::format("a list of at most {}, each {}", type.most, describe(type.form));
    case Kind::kRecords:
      return fmt::format("a list of at most {} mappings", type.most);
  }
  return "";
}

namespace {

std::string default_of(const SettingRow& row) {
  return fmt::format("{}{}", row.default_value == "[]" ? "none" : row.default_value,
                     row.default_documented ? "" : " (unverified)");
}

std::string fields_section(const SettingRow& row) {
  std::string page = fmt::format(
      "\n## Fields of `{}`\n\nDefaults are unverified but for the ports.\n\n"
      "| field | type | default | |\n|---|---|---|---|\n",
      row.path);
  for (const FieldRow& field : row.type.fields) {
    const std::string_view otherwise = field.required                ? "required"
                                       : field.default_value == "[]" ? "none"
                                                                     : field.default_value;
    page += fmt::format("| `{}` | {} | {} | {} |\n", field.name, describe(field.type), otherwise,
                        field.help);
  }
  return page;
}

}  // namespace

std::string settings_page() {
  std::string page =
      "# Settings of the Network Agent policy\n\n"
      "Generated from the table of settings (`kscpush completion settings`); do not edit. Where no "
      "public text\ngives a default, it is as the product's console is remembered to show it, and "
      "called unverified.\n\n"
      "| setting | type | default | in the product |\n|---|---|---|---|\n";
  for (const SettingRow& row : settings()) {
    page += fmt::format("| `{}`{} | {} | {} | *{}* (*{}*). {} |\n", row.path,
                        row.short_name.empty() ? "" : fmt::format(", short `{}`", row.short_name),
                        describe(row.type), default_of(row), row.english, row.german, row.help);
  }
  for (const SettingRow& row : settings()) {
    if (!row.type.fields.empty()) page += fields_section(row);
  }
  return page;
}

}  // namespace kscpush::policy

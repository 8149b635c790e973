// The settings of the Network Agent policy: one table, from which come validation, help,
// completion and documentation. Names are the product's own (domain page, "The Network Agent
// policy"); the defaults are as its console is remembered to show them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace kscpush::policy {

enum class Type : std::uint8_t { kBoolean, kInteger, kText };

struct SettingRow {
  std::string_view path;
  std::string_view short_name;  // empty for most
  Type type;
  std::int64_t least;  // of an integer; of a text its most bytes are MOST
  std::int64_t most;
  std::string_view default_value;
  std::string_view english;  // the label in the product's console
  std::string_view german;
  std::string_view help;
};

inline constexpr std::string_view kForceViaDp =
    "connectivity.network.use_distribution_point_to_force_connection";

[[nodiscard]] std::span<const SettingRow> settings();
// By path or short name; nullptr if there is no such setting.
[[nodiscard]] const SettingRow* find_setting(std::string_view name);
// The same, with a "did you mean" (kNotFound).
[[nodiscard]] Result<const SettingRow*> require_setting(std::string_view name);
// Paths and short names, for completion.
[[nodiscard]] std::vector<std::string> setting_names();

// VALUE as it is written in the file, or why it is none of this setting: "on" becomes "true".
[[nodiscard]] Result<std::string> parse_value(const SettingRow& row, std::string_view value);
// "true or false", "a number from 1 to 1440".
[[nodiscard]] std::string describe_type(const SettingRow& row);

// docs/settings.md: every setting with both labels, type, default and help.
[[nodiscard]] std::string settings_page();

}  // namespace kscpush::policy

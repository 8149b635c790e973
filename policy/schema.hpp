// The settings of the Network Agent policy: one table (policy/setting_table.cpp), from which come
// validation, help, completion and documentation. Names are the product's own (domain page, "The
// Network Agent policy").
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/site/model.hpp"

namespace kscpush::policy {

enum class Kind : std::uint8_t {
  kBoolean,
  kInteger,
  kText,
  kChoice,   // one of some words
  kTexts,    // a list of texts
  kRecords,  // a list of mappings, each with the same fields
};

// What a text must look like.
enum class Form : std::uint8_t { kAny, kHost, kNetwork, kPeriod };

struct FieldRow;

struct Type {
  Kind kind = Kind::kBoolean;
  std::int64_t least = 0;  // of an integer
  std::int64_t most = 0;   // of an integer; the bytes of a text; the items of a list
  Form form = Form::kAny;  // of a text, and of the texts of a list
  std::span<const std::string_view> choices{};
  std::span<const FieldRow> fields{};
};

// A field of the mappings in a list.
struct FieldRow {
  std::string_view name;
  Type type;
  std::string_view default_value{};  // meaningless when it is required
  bool required = false;             // and, if a text, different in each mapping of the list
  std::string_view help{};
};

struct SettingRow {
  std::string_view path;
  std::string_view short_name{};  // empty for most
  Type type;
  std::string_view default_value{};  // as Setting::value has it
  bool default_documented = false;   // publicly; else as the console is remembered to show it
  std::string_view english{};        // the label in the product's console
  std::string_view german{};
  std::string_view help{};
};

inline constexpr std::string_view kForceViaDp =
    "connectivity.network.use_distribution_point_to_force_connection";
inline constexpr std::string_view kConnect = "connectivity.schedule.connect";
inline constexpr std::string_view kAtGivenIntervals = "at_given_intervals";  // a value of it
inline constexpr std::string_view kIntervals = "connectivity.schedule.intervals";
inline constexpr std::string_view kSynchronizationInterval =
    "connectivity.schedule.synchronization_interval";  // minutes
inline constexpr std::string_view kUseUdpPort = "connectivity.network.use_udp_port";
inline constexpr std::string_view kUdpPort = "connectivity.network.udp_port";

[[nodiscard]] std::span<const SettingRow> settings();
// By path or short name; nullptr if there is no such setting.
[[nodiscard]] const SettingRow* find_setting(std::string_view name);
// The same, with a "did you mean" (kNotFound).
[[nodiscard]] Result<const SettingRow*> require_setting(std::string_view name);
// Paths and short names, for completion.
[[nodiscard]] std::vector<std::string> setting_names();

// What the command line gives, as Setting::value has it, or why it is none of this setting: "on"
// becomes "true", "a,b" the list of a and b, "none" the empty one. No command line holds a list of
// mappings: kUsage, with what to do instead.
[[nodiscard]] Result<std::string> parse_value(const SettingRow& row, std::string_view value);
// The texts of a list's canonical value, as parse_value() gives it.
[[nodiscard]] std::vector<std::string> list_items(const std::string& value);

// A part of every day, from midnight on. One that ends before it begins passes midnight.
struct Period {
  std::chrono::minutes from{};
  std::chrono::minutes to{};

  [[nodiscard]] std::chrono::minutes length() const {
    return to > from ? to - from : to - from + std::chrono::days(1);
  }
};
// "22:00-06:00", up to 24:00; not one of no length.
[[nodiscard]] std::optional<Period> parse_period(std::string_view text);

// A finding about a value in the file.
struct ValueFinding {
  Origin origin;
  std::string message;
  std::string hint;
};
// What is wrong with the value of a setting as the file has it; all of it.
[[nodiscard]] std::vector<ValueFinding> check_value(const SettingRow& row,
                                                    const site::SettingValue& value);
// The value of a setting that holds: "True" is "true", "015" is "15".
[[nodiscard]] std::string_view canonical(const SettingRow& row, const site::SettingValue& value);

// "true or false", "a number from 1 to 1440".
[[nodiscard]] std::string describe(const Type& type);

// docs/settings.md: every setting with both labels, type, default and help.
[[nodiscard]] std::string settings_page();

}  // namespace kscpush::policy

// Values of settings: from the command line, and as the file has them.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/network.hpp"
#include "core/numbers.hpp"
#include "core/site/reader.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {
namespace {

using Shape = site::SettingValue::Shape;

constexpr std::size_t kShown = 80;  // of a value in a message

std::optional<std::int64_t> parse_integer(const Type& type, std::string_view text) {
  const auto number = to_number<std::int64_t>(text);
  if (!number || *number < type.least || *number > type.most) return std::nullopt;
  return number;
}

// "00:00" to "23:59", and "24:00".
std::optional<std::chrono::minutes> parse_time_of_day(std::string_view text) {
  const auto digits = [&](std::size_t at) {
    const bool are =
        std::ranges::all_of(text.substr(at, 2), [](char c) { return c >= '0' && c <= '9'; });
    return are ? to_number<int>(text.substr(at, 2)) : std::nullopt;
  };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hours = digits(0);
  const auto minutes = digits(3);
  if (!hours || !minutes || *minutes > 59 || *hours * 60 + *minutes > 24 * 60) return std::nullopt;
  return std::chrono::minutes(*hours * 60 + *minutes);
}

bool has_form(Form form, std::string_view text) {
  switch (form) {
    case Form::kAny:
      return true;
    case Form::kHost:
      return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_' || c == ':';
      });
    case Form::kNetwork:
      return IpNetwork::parse(text).has_value();
    case Form::kPeriod:
      return parse_period(text).has_value();
  }
  return false;
}

// What a type needs of a single value, whoever wrote it.
bool scalar_fits(const Type& type, std::string_view text) {
  switch (type.kind) {
    case Kind::kBoolean:
      return site::parse_bool(text).has_value();
    case Kind::kInteger:
      return parse_integer(type, text).has_value();
    case Kind::kText:
      return text.size() <= static_cast<std::size_t>(type.most) && has_form(type.form, text);
    case Kind::kChoice:
      return std::ranges::find(type.choices, text) != type.choices.end();
    case Kind::kTexts:
    case Kind::kRecords:
      break;
  }
  return false;
}

// One item of a list of texts.
Type item_type(const Type& list) {
  return {.kind = Kind::kText, .most = 253, .form = list.form};
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> items;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.push_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

Result<std::string> parse_list(const SettingRow& row, std::string_view text) {
  auto list = nlohmann::json::array();
  if (text == "none") return list.dump();
  for (const std::string_view item : split(text)) {
    if (!scalar_fits(item_type(row.type), item)) {
      return fail(ErrorCode::kUsage, "{} must be {}, not '{}'", row.path, describe(row.type),
                  item.substr(0, kShown));
    }
    list.push_back(item);
  }
  if (list.empty() || list.size() > static_cast<std::size_t>(row.type.most)) {
    return fail({ErrorCode::kUsage,
                 fmt::format("{} must be {}, not {}", row.path, describe(row.type), list.size()),
                 "separate several by commas; none is the empty list"});
  }
  return list.dump();
}

class ValueChecker {
 public:
  std::vector<ValueFinding> take() { return std::move(findings_); }

  void check(const Type& type, std::string_view name, const site::SettingValue& value) {
    switch (type.kind) {
      case Kind::kTexts:
        return list(type, name, value, [&](const site::SettingValue& item) {
          check(item_type(type), fmt::format("each of {}", name), item);
        });
      case Kind::kRecords:
        names_.clear();
        return list(type, name, value,
                    [&](const site::SettingValue& item) { record(type, name, item); });
      default:
        break;
    }
    // In the file booleans and numbers are YAML's own; "on" and "yes" are for the command line.
    const bool plain_only = type.kind == Kind::kBoolean || type.kind == Kind::kInteger;
    const bool scalar = value.shape == Shape::kScalar;
    if (scalar && !(plain_only && value.quoted) && scalar_fits(type, value.value)) return;
    wrong(type, name, value,
          scalar ? fmt::format(", not '{}'", value.value.substr(0, kShown)) : "");
  }

 private:
  void report(const Origin& origin, std::string message, std::string hint = "") {
    findings_.push_back({origin, std::move(message), std::move(hint)});
  }

  void wrong(const Type& type, std::string_view name, const site::SettingValue& value,
             std::string_view but) {
    report(value.origin, fmt::format("{} must be {}{}", name, describe(type), but));
  }

  template <class Item>
  void list(const Type& type, std::string_view name, const site::SettingValue& value, Item item) {
    if (value.shape != Shape::kList) {
      wrong(type, name, value,
            value.shape == Shape::kScalar ? fmt::format(", not '{}'", value.value.substr(0, kShown))
                                          : "");
    } else if (value.items.size() > static_cast<std::size_t>(type.most)) {
      wrong(type, name, value, fmt::format(", not {}", value.items.size()));
    } else {
      std::ranges::for_each(value.items, item);
    }
  }

  void record(const Type& type, std::string_view name, const site::SettingValue& value) {
    if (value.shape != Shape::kMapping) {
      report(value.origin, fmt::format("each of {} must be a mapping", name));
      return;
    }
    std::vector<std::string> known;
    for (const FieldRow& field : type.fields) {
      known.emplace_back(field.name);
      const auto given = std::ranges::find(value.items, field.name, &site::SettingValue::key);
      if (given != value.items.end()) {
        check(field.type, field.name, *given);
      } else if (field.required) {
        report(value.origin, fmt::format("'{}' is missing in an item of {}", field.name, name));
      }
    }
    for (const site::SettingValue& field : value.items) {
      if (std::ranges::find(known, field.key) != known.end()) continue;
      report(field.origin,
             fmt::format("unknown key '{}' in {}{}", field.key.substr(0, kShown), name,
                         suggestion(field.key, known)),
             fmt::format("known here: {}", fmt::join(known, ", ")));
    }
    const auto called = std::ranges::find(value.items, "name", &site::SettingValue::key);
    if (called != value.items.end() && !names_.insert(called->value).second) {
      report(called->origin, fmt::format("two of {} are named '{}'", name, called->value));
    }
  }

  std::vector<ValueFinding> findings_;
  std::set<std::string> names_;
};

}  // namespace

Result<std::string> parse_value(const SettingRow& row, std::string_view value) {
  switch (row.type.kind) {
    case Kind::kBoolean:
      if (value == "on" || value == "yes") value = "true";
      if (value == "off" || value == "no") value = "false";
      break;
    case Kind::kInteger:
      if (const auto number = parse_integer(row.type, value)) return std::to_string(*number);
      break;
    case Kind::kTexts:
      return parse_list(row, value);
    case Kind::kRecords:
      return fail(
          {ErrorCode::kUsage,
           fmt::format("{} is {}, which no command line holds", row.path, describe(row.type)),
           "write it in the file: kscpush policy edit"});
    default:
      break;
  }
  if (!scalar_fits(row.type, value)) {
    return fail(ErrorCode::kUsage, "{} must be {}, not '{}'", row.path, describe(row.type),
                value.substr(0, kShown));
  }
  return row.type.kind == Kind::kBoolean ? std::string(*site::parse_bool(value) ? "true" : "false")
                                         : std::string(value);
}

std::optional<Period> parse_period(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const auto from = parse_time_of_day(text.substr(0, 5));
  const auto to = parse_time_of_day(text.substr(6));
  if (!from || !to || *from == *to) return std::nullopt;
  return Period{*from, *to};
}

std::vector<std::string> list_items(const std::string& value) {
  const auto list = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> items;
  if (!list.is_array()) return items;
  for (const auto& item : list) {
    if (item.is_string()) items.push_back(item.get<std::string>());
  }
  return items;
}

std::vector<ValueFinding> check_value(const SettingRow& row, const site::SettingValue& value) {
  ValueChecker checker;
  checker.check(row.type, row.path, value);
  return checker.take();
}

std::string_view canonical(const SettingRow& row, const site::SettingValue& value) {
  std::string_view text = value.value;
  if (row.type.kind == Kind::kBoolean) {
    return site::parse_bool(text).value_or(false) ? "true" : "false";
  }
  if (row.type.kind == Kind::kInteger) {
    while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  }
  return text;
}

}  // namespace kscpush::policy

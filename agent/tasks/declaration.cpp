#include "agent/tasks/declaration.hpp"

#include <algorithm>

#include <fmt/ranges.h>

#include "core/numbers.hpp"

namespace kscpush::agent {

Status Parameter::check(std::string_view value) const {
  const auto unfit = [&](std::string_view why) {
    return fail(Error{ErrorCode::kUsage, fmt::format("parameter '{}' {}", name, why),
                      fmt::format("it takes a value {}", rule()), name});
  };
  if (value.size() > kLongestValue) {
    return unfit(fmt::format("has {} bytes, at most {} are allowed", value.size(),
                             std::size_t{kLongestValue}));
  }
  if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return unfit("has a control character");
  }
  const std::string text(value);
  switch (kind) {
    case Kind::kEnum:
      if (std::ranges::find(values, text) != values.end()) return {};
      return unfit(fmt::format("cannot be '{}'", text));
    case Kind::kPattern:
      if (text.starts_with('-')) return unfit("begins with '-'");
      if (pattern.matches(text)) return {};
      return unfit(fmt::format("cannot be '{}'", text));
    case Kind::kRange: {
      const auto number = to_number<std::int64_t>(text);
      if (number && *number >= least && *number <= most) return {};
      return unfit(fmt::format("cannot be '{}'", text));
    }
  }
  return {};
}

std::string Parameter::rule() const {
  switch (kind) {
    case Kind::kEnum:
      return fmt::format("of {}", fmt::join(values, ", "));
    case Kind::kPattern:
      return fmt::format("matching {}", pattern.text());
    case Kind::kRange:
      return fmt::format("from {} to {}", least, most);
  }
  return {};
}

Result<std::vector<TemplatePart>> parse_template(std::string_view text) {
  std::vector<TemplatePart> parts;
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      plain += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) break;
      if (!plain.empty()) parts.push_back({std::move(plain), false});
      plain.clear();
      parts.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
      i = end;
    } else if (c == '}') {
      break;
    } else {
      plain += c;
    }
    if (i + 1 >= text.size()) {
      if (!plain.empty()) parts.push_back({std::move(plain), false});
      return parts;
    }
  }
  if (text.empty()) return parts;
  return fail({ErrorCode::kUsage,
               fmt::format("'{}' has a brace without its other one", text.substr(0, 80)),
               "{NAME} is a parameter; {{ and }} are the braces themselves"});
}

Result<std::vector<std::string>> TaskDeclaration::arguments(
    const std::map<std::string, std::string>& given) const {
  std::map<std::string, std::string> values;
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) {
    names.push_back(parameter.name);
    const auto found = given.find(parameter.name);
    if (found == given.end() && !parameter.fallback) {
      return fail(Error{ErrorCode::kUsage,
                        fmt::format("task '{}' needs parameter '{}'", name, parameter.name),
                        fmt::format("it takes a value {}", parameter.rule()), parameter.name});
    }
    const std::string& value = found == given.end() ? *parameter.fallback : found->second;
    if (auto fits = parameter.check(value); !fits) return fail(fits.error());
    values[parameter.name] = value;
  }
  for (const auto& [key, value] : given) {
    if (values.contains(key)) continue;
    return fail(Error{
        ErrorCode::kUsage,
        fmt::format("task '{}' has no parameter '{}'{}", name, key.substr(0, 80),
                    suggestion(key, names)),
        names.empty() ? "it has none" : fmt::format("it has: {}", fmt::join(names, ", ")), key});
  }
  std::vector<std::string> result;
  for (const std::string& text : command.args) {
    const auto parts = parse_template(text);
    if (!parts) return fail(parts.error());
    std::string& argument = result.emplace_back();
    for (const TemplatePart& part : *parts) {
      argument += part.is_parameter ? values.at(part.text) : part.text;
    }
  }
  return result;
}

}  // namespace kscpush::agent

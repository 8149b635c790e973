#include "core/yaml/writer.hpp"

#include <algorithm>

#include "core/yaml/quoting.hpp"
#include "core/yaml/scalar.hpp"
#include "core/yaml/text_check.hpp"

namespace kscpush::yaml {
namespace {

constexpr std::size_t kMaxKey = 1000;   // YAML: a key and its ':' are within 1024 bytes
constexpr std::size_t kMaxDepth = 100;  // deeper than any configuration; bounds the recursion

std::string spaces(std::size_t count) {
  return std::string(count, ' ');
}

bool plain_tag_char(char c) {
  const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return word || std::string_view("-#;/?:@&=+$_.~*'()").find(c) != std::string_view::npos;
}

Status check_text_of(std::string_view text) {
  // Control characters are written as escapes; here only UTF-8 counts.
  std::string printable(text);
  std::ranges::replace_if(
      printable, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  auto checked = check_text(printable, "value");
  if (!checked) {
    return fail({ErrorCode::kUsage, checked.error().message, "give the value in UTF-8"});
  }
  return {};
}

Status check(const NewNode& node, std::size_t depth) {
  if (depth > kMaxDepth) return fail(ErrorCode::kUsage, "the value is nested too deep");
  if (node.kind == Kind::kAlias) return fail(ErrorCode::kUsage, "aliases cannot be written");
  const bool tag_fits = std::ranges::all_of(node.tag, [](char c) {
    return plain_tag_char(c) || std::string_view("!,[]%").find(c) != std::string_view::npos;
  });
  if (!tag_fits || node.tag == "!" || node.tag == "?") {
    return fail(ErrorCode::kUsage, "'{}' is not a YAML tag", node.tag);
  }
  if (auto text = check_text_of(node.value); !text) return text;
  for (const NewNode& item : node.items) {
    if (auto checked = check(item, depth + 1); !checked) return checked;
  }
  for (const auto& [key, value] : node.entries) {
    if (key.size() > kMaxKey) {
      return fail(ErrorCode::kUsage, "a key of {} bytes is too long for YAML", key.size());
    }
    if (auto text = check_text_of(key); !text) return text;
    if (auto checked = check(value, depth + 1); !checked) return checked;
  }
  return {};
}

bool is_empty_collection(const NewNode& node) {
  return node.kind == Kind::kSequence ? node.items.empty()
                                      : node.kind == Kind::kMapping && node.entries.empty();
}

}  // namespace

Status check_writable(const NewNode& node) {
  return check(node, 0);
}

std::string write_tag(std::string_view tag) {
  constexpr std::string_view kYaml = "tag:yaml.org,2002:";
  const auto plain = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, plain_tag_char);
  };
  if (tag.starts_with(kYaml) && plain(tag.substr(kYaml.size()))) {
    return fmt::format("!!{}", tag.substr(kYaml.size()));
  }
  if (tag.starts_with('!') && plain(tag.substr(1))) return std::string(tag);
  return fmt::format("!<{}>", tag);
}

std::string Writer::scalar(const NewNode& node, Place place, char quote) const {
  if (node.kind == Kind::kNull) return "null";
  const std::string_view text = node.value;
  const bool typed = plain_has_type(text);
  const bool plain =
      fits_plain(text, place == Place::kFlow) && !is_null_word(text) && !(typed && node.text);
  const char always = typed && !node.text ? '\0' : style_.always_quote;
  if (quote == 0) quote = always;
  // A number in quotes would be a string, so a number loses the quotes that stand there.
  if (plain && (quote == 0 || (typed && !node.text))) return std::string(text);
  if ((quote == 0 ? style_.quote : quote) == '\'' && fits_single(text)) return quote_single(text);
  return quote_double(text);
}

std::string Writer::key(std::string_view key, Place place, char quote) const {
  NewNode node;
  node.value = key;
  node.text = true;
  return scalar(node, place, quote);
}

std::string Writer::flow(const NewNode& node) const {
  std::string result = node.tag.empty() ? "" : write_tag(node.tag) + " ";
  const char* separator = "";
  if (node.kind == Kind::kSequence) {
    result += '[';
    for (const NewNode& item : node.items) {
      result += std::exchange(separator, ", ") + flow(item);
    }
    return result += ']';
  }
  if (node.kind != Kind::kMapping) return result += scalar(node, Place::kFlow, 0);
  result += '{';
  for (const auto& [name, value] : node.entries) {
    result += std::exchange(separator, ", ") + key(name, Place::kFlow, 0) + ": " + flow(value);
  }
  return result += '}';
}

bool Writer::is_block(const NewNode& node) const {
  if (node.kind == Kind::kMapping) return !node.entries.empty();
  if (node.kind != Kind::kSequence || node.items.empty()) return false;
  const auto one_line = [](const NewNode& item) {
    return item.kind == Kind::kNull || (item.kind == Kind::kScalar && item.value.size() < 60);
  };
  return !style_.flow_lists || !std::ranges::all_of(node.items, one_line);
}

std::string Writer::value(const NewNode& node, std::size_t indent) const {
  const std::string tag = node.tag.empty() ? "" : " " + write_tag(node.tag);
  if (node.kind == Kind::kScalar && !careful_ && fits_literal(node)) {
    const Literal written = literal(node.value, indent + style_.step);
    return tag + " " + written.indicator + written.body;
  }
  if (node.kind == Kind::kScalar || node.kind == Kind::kNull) {
    return tag + " " + scalar(node, Place::kBlock, 0);
  }
  if (!is_block(node)) return " " + flow(node);
  const bool mapping = node.kind == Kind::kMapping;
  const std::size_t column = indent + (mapping ? style_.step : style_.sequence_offset);
  return tag + "\n" + spaces(column) + lines(node, column);
}

std::string Writer::item(const NewNode& node, std::size_t indent, std::size_t gap) const {
  if (is_empty_collection(node) || !is_block(node)) {
    // value() begins with one blank. Behind a tag yaml-cpp wants block scalars to be indented more
    // than the tag.
    const std::string text = value(node, node.tag.empty() ? indent : indent + 1 + gap);
    return spaces(gap) + text.substr(1);
  }
  const std::size_t column = indent + 1 + gap;
  if (node.tag.empty()) return spaces(gap) + lines(node, column);
  return spaces(gap) + write_tag(node.tag) + "\n" + spaces(column) + lines(node, column);
}

std::string Writer::lines(const NewNode& node, std::size_t indent) const {
  std::string result;
  std::string separator;
  for (const NewNode& each : node.items) {
    result += std::exchange(separator, "\n" + spaces(indent)) + "-" + item(each, indent, 1);
  }
  for (const auto& [name, each] : node.entries) {
    result += std::exchange(separator, "\n" + spaces(indent)) + key(name, Place::kBlock, 0) + ":" +
              value(each, indent);
  }
  return result;
}

// One line end at most at the end: more of them need "|+", which would take in the blank lines that
// follow in the file. No blanks first: they would need an indentation indicator.
bool Writer::fits_literal(const NewNode& node) {
  const std::string_view text = node.value;
  if (text.find('\n') == std::string_view::npos || text.front() == '\n' || text.front() == ' ' ||
      text.front() == '\t' || text.ends_with("\n\n")) {
    return false;
  }
  std::string one_line(text);
  std::ranges::replace(one_line, '\n', ' ');
  return fits_single(one_line);
}

Writer::Literal Writer::literal(std::string_view text, std::size_t indent) {
  Literal result{text.ends_with('\n') ? "|" : "|-", {}};
  if (text.ends_with('\n')) text.remove_suffix(1);
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    result.body += "\n";
    if (!line.empty()) result.body += spaces(indent) + std::string(line);
    if (end == std::string_view::npos) return result;
    text.remove_prefix(end + 1);
  }
}

}  // namespace kscpush::yaml

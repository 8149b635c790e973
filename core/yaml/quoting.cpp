#include "core/yaml/quoting.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/yaml/lexer.hpp"

namespace kscpush::yaml {
namespace {

bool one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

std::uint8_t byte(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<std::uint8_t>(text[at]) : 0;
}

// A character that is not printable in YAML, or that editors do not show: its bytes and code.
struct Special {
  std::size_t length = 0;  // 0: none here
  unsigned code = 0;
};

Special special_at(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte(text, at);
  if (first < 0x20 || first == 0x7F) return {1, first};
  if (first == 0xC2 && (byte(text, at + 1) <= 0x9F)) return {2, byte(text, at + 1)};
  const unsigned code =
      ((first & 0xFU) << 12) | ((byte(text, at + 1) & 0x3FU) << 6) | (byte(text, at + 2) & 0x3FU);
  const bool three = (first & 0xF0) == 0xE0;
  if (three && (code == 0x2028 || code == 0x2029 || code == 0xFEFF || code >= 0xFFFE)) {
    return {3, code};
  }
  return {};
}

bool has_special(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (special_at(text, at).length > 0) return true;
  }
  return false;
}

bool fits_plain_start(std::string_view text, bool flow) {
  if (one_of(text[0], ",[]{}#&*!|>'\"%@`")) return false;
  if (text.starts_with("---") || text.starts_with("...")) return false;
  if (!one_of(text[0], "-?:")) return true;
  // Between brackets yaml-cpp takes '?' and ':' for indicators more often than YAML does.
  const bool may = text[0] == '-' || !flow;
  return may && text.size() > 1 && !lexer::blank_or_break(text[1]);
}

}  // namespace

bool fits_plain(std::string_view text, bool flow) {
  if (text.empty() || has_special(text)) return false;
  if (lexer::is_blank(text.front()) || lexer::is_blank(text.back())) return false;
  if (!fits_plain_start(text, flow)) return false;
  if (flow && text.find_first_of(",[]{}?") != std::string_view::npos) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ':') {
      const char next = lexer::peek(text, at + 1);
      if (lexer::blank_or_break(next)) return false;
    }
    if (text[at] == '#' && at > 0 && lexer::is_blank(text[at - 1])) return false;
  }
  return true;
}

bool fits_single(std::string_view text) {
  return !has_special(text);
}

std::string quote_single(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    result += c;
    if (c == '\'') result += c;
  }
  return result += '\'';
}

std::string quote_double(std::string_view text) {
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const Special special = special_at(text, at);
    if (special.length == 0) {
      if (one_of(text[at], "\"\\")) result += '\\';
      result += text[at++];
      continue;
    }
    switch (special.code) {
      case '\n':
        result += "\\n";
        break;
      case '\r':
        result += "\\r";
        break;
      case '\t':
        result += "\\t";
        break;
      default:
        result += special.code < 0x80 ? fmt::format("\\x{:02X}", special.code)
                                      : fmt::format("\\u{:04X}", special.code);
    }
    at += special.length;
  }
  return result += '"';
}

}  // namespace kscpush::yaml

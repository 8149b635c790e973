#include "core/yaml/lexer.hpp"

#include <algorithm>

namespace kscpush::yaml::lexer {
namespace {

bool is_tag_char(char c) {
  const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return word || std::string_view("-!#;/?:@&=+$_.~*'()%").find(c) != std::string_view::npos;
}

bool is_anchor_char(char c) {
  return !blank_or_break(c) && std::string_view("[]{},").find(c) == std::string_view::npos;
}

// Behind the last byte of VALUE that is no white space, as found from AT on. Plain and block
// scalars have no escapes and no comments inside, so their bytes other than white space stand in
// the text exactly as in the value; only the white space is folded.
std::size_t match_words(std::string_view text, std::size_t at, std::string_view value) {
  std::size_t end = at;
  for (const char c : value) {
    if (blank_or_break(c)) continue;
    while (at < text.size() && blank_or_break(text[at])) ++at;
    if (at == text.size() || text[at] != c) return end;
    end = ++at;
  }
  return end;
}

}  // namespace

std::size_t bom_size(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && is_blank(text[at])) ++at;
  return at;
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    if (blank_or_break(text[at])) {
      ++at;
    } else if (text[at] == '#') {
      at = line_end(text, at);
    } else {
      break;
    }
  }
  return at;
}

std::size_t colon_end(std::string_view text, std::size_t at, bool flow) {
  const std::size_t colon = skip_space(text, at);
  const bool found = peek(text, colon) == ':' && (flow || blank_or_break(peek(text, colon + 1)));
  return found ? colon + 1 : std::string_view::npos;
}

std::size_t line_begin(std::string_view text, std::size_t at) {
  if (at == 0) return 0;
  const std::size_t found = text.rfind('\n', at - 1);
  return found == std::string_view::npos ? 0 : found + 1;
}

std::size_t line_end(std::string_view text, std::size_t at) {
  const std::size_t found = text.find('\n', at);
  if (found == std::string_view::npos) return text.size();
  return found > at && text[found - 1] == '\r' ? found - 1 : found;
}

std::size_t next_line(std::string_view text, std::size_t at) {
  const std::size_t found = text.find('\n', at);
  return found == std::string_view::npos ? text.size() : found + 1;
}

std::size_t property_end(std::string_view text, std::size_t at) {
  const char first = peek(text, at);
  if (first == '!' && peek(text, at + 1) == '<') {
    return std::min(text.find('>', at), text.size() - 1) + 1;
  }
  if (first == '!') {
    do ++at;
    while (is_tag_char(peek(text, at)));
  } else if (first == '&') {
    do ++at;
    while (is_anchor_char(peek(text, at)));
  }
  return at;
}

std::size_t properties_end(std::string_view text, std::size_t at, bool tag, bool anchor) {
  std::size_t end = at;
  while ((tag && peek(text, at) == '!') || (anchor && peek(text, at) == '&')) {
    (text[at] == '!' ? tag : anchor) = false;
    end = property_end(text, at);
    at = skip_space(text, end);
  }
  return end;
}

std::size_t quoted_end(std::string_view text, std::size_t at) {
  const char quote = peek(text, at++);
  for (; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || peek(text, at + 1) != quote) return at + 1;
      ++at;
    }
  }
  return std::string_view::npos;
}

std::size_t plain_end(std::string_view text, std::size_t at, std::string_view value) {
  return match_words(text, at, value);
}

std::size_t block_scalar_end(std::string_view text, std::size_t at, std::string_view value) {
  std::size_t header = at + 1;
  while (std::string_view("+-0123456789").find(peek(text, header)) != std::string_view::npos) {
    ++header;
  }
  const std::size_t body = next_line(text, header);
  std::size_t end = match_words(text, body, value);
  const std::size_t last = value.find_last_not_of(" \t\n\r");
  std::size_t breaks = static_cast<std::size_t>(
      std::count(value.begin() + static_cast<std::ptrdiff_t>(last + 1), value.end(), '\n'));
  if (last == std::string_view::npos) {
    if (breaks == 0) return header;
    end = line_end(text, body);  // blank lines that "+" keeps are content
  } else {
    end = line_end(text, end);  // so are blanks behind the last word
  }
  for (; breaks > 1 && next_line(text, end) < text.size(); --breaks) {
    end = line_end(text, next_line(text, end));
  }
  return end;
}

std::size_t alias_end(std::string_view text, std::size_t at) {
  do ++at;
  while (is_anchor_char(peek(text, at)));
  return at;
}

}  // namespace kscpush::yaml::lexer

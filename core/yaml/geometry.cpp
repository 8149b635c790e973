#include "core/yaml/geometry.hpp"

#include <algorithm>

#include "core/yaml/lexer.hpp"

namespace kscpush::yaml {

std::size_t column_of(std::string_view text, std::size_t at) {
  const std::size_t begin = std::max(lexer::line_begin(text, at), lexer::bom_size(text));
  return at < begin ? 0 : at - begin;
}

bool first_on_line(std::string_view text, std::size_t at) {
  const std::size_t begin = at - column_of(text, at);
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(begin),
                     text.begin() + static_cast<std::ptrdiff_t>(at), lexer::is_blank);
}

bool has_break(std::string_view text, std::size_t begin, std::size_t end) {
  return text.substr(begin, end - begin).find('\n') != std::string_view::npos;
}

bool comment_follows(std::string_view text, std::size_t at) {
  return lexer::peek(text, lexer::skip_blanks(text, at)) == '#';
}

bool is_compact(std::string_view text, const Node& node) {
  return node.flow && node.kind == Kind::kMapping && node.entries.size() == 1 &&
         (lexer::peek(text, node.content) != '{' || node.entries[0].key.begin == node.begin);
}

std::size_t child_begin(std::string_view text, const Node& node, std::size_t index) {
  if (node.kind == Kind::kMapping) {
    const std::size_t key = node.entries[index].key.begin;
    std::size_t before = key;
    while (before > 0 && lexer::is_blank(text[before - 1])) --before;
    const bool explicit_key = before > 0 && before < key && text[before - 1] == '?';
    return explicit_key ? before - 1 : key;
  }
  if (node.flow) return node.items[index].begin;
  return index == 0 ? node.content : lexer::skip_space(text, node.items[index - 1].end);
}

std::size_t child_end(const Node& node, std::size_t index) {
  if (node.kind == Kind::kSequence) return node.items[index].end;
  return std::max(node.entries[index].key.end, node.entries[index].value.end);
}

std::size_t properties_end(std::string_view text, const Node& node) {
  std::size_t end = node.begin;
  for (std::size_t at = node.begin; at < node.content; at = lexer::skip_space(text, end)) {
    const std::size_t next = lexer::property_end(text, at);
    if (next == at) break;
    end = next;
  }
  return end;
}

char quote_of(std::string_view text, const Node& node) {
  const char first = lexer::peek(text, node.content);
  const bool quotes = first == '"' || first == '\'';
  return quotes && node.kind == Kind::kScalar && node.end > node.content ? first : '\0';
}

std::size_t block_column(std::string_view text, const Node& node) {
  return column_of(text, child_begin(text, node, 0));
}

}  // namespace kscpush::yaml

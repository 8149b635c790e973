// Surgery::append and what it needs.
#include <algorithm>

#include "core/yaml/geometry.hpp"
#include "core/yaml/lexer.hpp"
#include "core/yaml/surgery.hpp"

namespace kscpush::yaml {
namespace {

using lexer::line_begin;
using lexer::line_end;
using lexer::next_line;
using lexer::peek;
using lexer::skip_blanks;
using lexer::skip_space;

constexpr std::size_t kMaxGap = 8;

// What is written between two children, or between a key and its value, when it is INDICATOR and
// blanks; otherwise what is usual.
std::string gap_like(std::string_view text, std::size_t begin, std::size_t end, char indicator,
                     std::string_view usual) {
  const std::string_view gap = end > begin ? text.substr(begin, end - begin) : "";
  if (gap.empty() || gap[0] != indicator || gap.find_first_not_of(' ', 1) != gap.npos) {
    return std::string(usual);
  }
  return std::string(gap);
}

// "key: value" as an entry of this flow mapping. {"a":1} is followed only where the key is quoted:
// without quotes a ':' needs a blank.
std::string flow_entry(std::string_view text, const Node& node, std::string_view key,
                       const NewNode& value, const Writer& writer) {
  const char quote = node.entries.empty() ? '\0' : quote_of(text, node.entries.back().key);
  const std::string name = writer.key(key, Place::kFlow, quote);
  std::string colon = ": ";
  if (quote != 0 && (name[0] == '"' || name[0] == '\'')) {
    const Entry& last = node.entries.back();
    colon = gap_like(text, last.key.end, last.value.begin, ':', colon);
  }
  return name + colon + writer.flow(value);
}

// A list whose items are all in the same quotes gets no item without.
Writer writer_like_items(const Writer& writer, std::string_view text, const Node& list,
                         const NewNode& value) {
  if (value.kind != Kind::kScalar || list.items.empty()) return writer;
  const char quote = quote_of(text, list.items.front());
  const bool all_quoted = quote != 0 && std::ranges::all_of(list.items, [&](const Node& item) {
                            return quote_of(text, item) == quote;
                          });
  return all_quoted ? writer.always_quoting(quote) : writer;
}

}  // namespace

Splices Surgery::append(const Trail& trail, std::string_view key, const NewNode& value) const {
  const Node& node = trail.last();
  const bool mapping = node.kind == Kind::kMapping;
  const Writer item_writer = mapping ? writer : writer_like_items(writer, text, node, value);
  if (node.flow) {
    return append_flow(
        node, mapping ? flow_entry(text, node, key, value, writer) : item_writer.flow(value));
  }
  const std::size_t indent = block_column(text, node);
  std::string line = "\n" + std::string(indent, ' ');
  if (mapping) {
    line += writer.key(key, Place::kBlock, quote_of(text, node.entries.back().key)) + ":" +
            writer.value(value, indent);
  } else {
    const std::size_t dash = child_begin(text, node, node.items.size() - 1);
    const std::size_t begin = node.items.back().begin;
    const bool like_last =
        begin > dash + 1 && begin <= dash + 1 + kMaxGap && !has_break(text, dash, begin);
    line += "-" + item_writer.item(value, indent, like_last ? begin - dash - 1 : 1);
  }
  const std::size_t at = append_point(node.end, indent);
  return {{at, at, line}};
}

// Behind the line of the last child with its comment, and behind comment lines right below that
// are indented like the children: these belong to the collection, unless the next content is as far
// to the right, as a key below a list that is not indented; then they may be about that.
std::size_t Surgery::append_point(std::size_t end, std::size_t indent) const {
  std::size_t at = line_end(text, end);
  const std::size_t content = skip_space(text, end);
  if (indent == 0 || (content < text.size() && column_of(text, content) >= indent)) return at;
  while (true) {
    const std::size_t next = next_line(text, at);
    const std::size_t first = skip_blanks(text, next);
    if (next == text.size() || peek(text, first) != '#' || column_of(text, first) < indent) break;
    at = line_end(text, next);
  }
  return at;
}

Splices Surgery::append_flow(const Node& node, const std::string& added) const {
  const std::size_t count = child_count(node);
  if (count == 0) return fill_flow(node, added);
  const std::size_t begin = child_begin(text, node, count - 1);
  const std::size_t end = child_end(node, count - 1);
  if (is_compact(text, node)) {
    return {{node.content, node.content, "{"}, {node.end, node.end, ", " + added + "}"}};
  }
  if (first_on_line(text, begin)) return append_flow_line(node, added);
  const std::string separator =
      count < 2 ? ", " : gap_like(text, child_end(node, count - 2), begin, ',', ", ");
  return {{end, end, separator + added}};
}

// Into {} or [], where there may be comments.
Splices Surgery::fill_flow(const Node& node, const std::string& added) const {
  const std::size_t open = node.content + 1;
  const std::size_t close = node.end - 1;
  if (!has_break(text, open, close)) return {{open, close, added}};
  const std::size_t line = line_begin(text, close);
  if (!first_on_line(text, close)) return {{close, close, added}};
  const std::string indent(close - line + writer.style().step, ' ');
  return {{line, line, indent + added + "\n"}};
}

// The last child begins a line of its own, so the new one gets one too.
Splices Surgery::append_flow_line(const Node& node, const std::string& added) const {
  const std::size_t count = child_count(node);
  const std::size_t begin = child_begin(text, node, count - 1);
  const std::size_t end = child_end(node, count - 1);
  const std::size_t line = line_begin(text, begin);
  const std::string indent(text.substr(line, begin - line));
  const std::size_t next = skip_space(text, end);
  const bool comma = peek(text, next) == ',' && next < node.end;
  const std::size_t behind = comma ? next + 1 : end;
  const std::string added_line = "\n" + indent + added + (comma ? "," : "");
  // The closing bracket may stand in the last child's line.
  const std::size_t at = has_break(text, behind, node.end) ? line_end(text, behind) : behind;
  if (comma) return {{at, at, added_line}};
  return {{end, end, ","}, {at, at, added_line}};
}

}  // namespace kscpush::yaml

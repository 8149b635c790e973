// Surgery::erase and what it needs.
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

bool blank_line(std::string_view text, std::size_t line) {
  return skip_blanks(text, line) >= line_end(text, line);
}

// The begin of the line before the line that begins at LINE, which is not the first.
std::size_t line_before(std::string_view text, std::size_t line) {
  return line_begin(text, line - 1);
}

}  // namespace

Splices Surgery::erase(const Trail& trail) const {
  const Node& parent = trail.parent();
  const std::size_t index = trail.indexes.back();
  if (child_count(parent) == 1) {
    NewNode empty;
    empty.kind = parent.kind;
    empty.tag = parent.tag;
    if (is_compact(text, parent)) return {{parent.content, parent.end, "{}"}};
    return replace(trail.up_to(trail.depth() - 1), empty);
  }
  return parent.flow ? erase_flow(parent, index) : erase_block(parent, index);
}

// The begin of the first of the comment lines right above the line, in its column.
std::size_t Surgery::comments_above(std::size_t begin) const {
  const std::size_t column = column_of(text, begin);
  std::size_t line = line_begin(text, begin);
  while (line > 0) {
    const std::size_t before = line_before(text, line);
    const std::size_t first = std::max(skip_blanks(text, before), lexer::bom_size(text));
    if (peek(text, first) != '#' || column_of(text, first) != column) break;
    line = before;
  }
  return line;
}

// Where the lines begin that go with a child: with the comment right above it. Above the first
// child a comment may be about all of them; it goes only if the second one has a comment as well,
// and never at the top of the file.
std::size_t Surgery::described_from(const Node& parent, std::size_t index) const {
  const std::size_t begin = child_begin(text, parent, index);
  const std::size_t own = line_begin(text, begin);
  const std::size_t from = comments_above(begin);
  const std::size_t previous_end = index == 0 ? 0 : child_end(parent, index - 1);
  if (from < previous_end || from == 0) return own;
  if (index > 0) return from;
  const std::size_t second = child_begin(text, parent, 1);
  const bool second_described = comments_above(second) < line_begin(text, second);
  return second_described && column_of(text, begin) > 0 ? from : own;
}

Splices Surgery::erase_block(const Node& parent, std::size_t index) const {
  std::size_t begin = child_begin(text, parent, index);
  const std::size_t end = child_end(parent, index);
  if (!first_on_line(text, begin)) {
    // Behind "- " or the like: the next child moves up, or, behind comments, stays where it is.
    const std::size_t next = child_begin(text, parent, index + 1);
    const std::size_t rest = line_end(text, end);
    const std::string_view between = text.substr(rest, next - rest);
    if (between.find('#') == between.npos) return {{begin, next, ""}};
    while (begin > 0 && lexer::is_blank(text[begin - 1])) --begin;
    return {{begin, rest, ""}};
  }
  std::size_t from = described_from(parent, index);
  const std::size_t to = next_line(text, end);
  // Blank lines on both sides would come together; those before go too.
  const std::size_t previous_end = index == 0 ? 0 : child_end(parent, index - 1);
  if (to == text.size() || blank_line(text, to)) {
    while (from > previous_end && from > 0 && blank_line(text, line_before(text, from)) &&
           line_before(text, from) > previous_end) {
      from = line_before(text, from);
    }
  }
  // In a file without a final line end the line before becomes the last one, unless, as a block
  // scalar's, it needs its line end.
  const bool unterminated = to == text.size() && !text.ends_with('\n') && !writer.careful();
  if (unterminated && from > 0) from = line_end(text, line_before(text, from));
  return {{std::max(from, lexer::bom_size(text)), to, ""}};
}

Splices Surgery::erase_flow(const Node& parent, std::size_t index) const {
  const std::size_t begin = child_begin(text, parent, index);
  const std::size_t end = child_end(parent, index);
  const bool last = index + 1 == child_count(parent);
  if (!last) {
    const std::size_t next = child_begin(text, parent, index + 1);
    if (!has_break(text, end, next)) return {{begin, next, ""}};
  }
  if (index > 0) {
    const std::size_t previous = child_end(parent, index - 1);
    if (!has_break(text, previous, begin)) return {{previous, end, ""}};
  }
  return erase_flow_line(parent, index);
}

// The child has its lines for itself, or at least begins one.
Splices Surgery::erase_flow_line(const Node& parent, std::size_t index) const {
  const std::size_t begin = child_begin(text, parent, index);
  const std::size_t end = child_end(parent, index);
  const bool last = index + 1 == child_count(parent);
  const std::size_t next = skip_space(text, end);
  const bool comma = peek(text, next) == ',' && next < parent.end;
  const std::size_t behind = comma ? next + 1 : end;
  if (!first_on_line(text, begin) || !has_break(text, behind, parent.end)) {
    // The bracket is in the child's line: [a,\n b] or [\n a]; only the child itself goes.
    if (index > 0) {
      const std::size_t previous = child_end(parent, index - 1);
      return {{previous, previous, ""}, {previous, end, ""}};
    }
    return {{begin, behind, ""}};
  }
  Splices splices;
  if (last && !comma && index > 0) {
    const std::size_t before = skip_space(text, child_end(parent, index - 1));
    if (peek(text, before) == ',') splices.push_back({before, before + 1, ""});
  }
  splices.push_back({line_begin(text, begin), next_line(text, behind), ""});
  return splices;
}

}  // namespace kscpush::yaml

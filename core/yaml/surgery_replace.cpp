// Surgery::replace and Surgery::retag, and what they need.
#include <algorithm>

#include "core/yaml/geometry.hpp"
#include "core/yaml/lexer.hpp"
#include "core/yaml/surgery.hpp"

namespace kscpush::yaml {

using lexer::line_begin;
using lexer::line_end;
using lexer::peek;
using lexer::skip_blanks;
using lexer::skip_space;

// Where a value in block context stands.
struct Surgery::Slot {
  std::size_t after;   // behind the ':' or '-' before it; of the root: the begin of the node
  std::size_t indent;  // the column of its key or dash
  bool item;           // of a list
};

namespace {

bool is_block_collection(const Node& node) {
  return !node.flow && child_count(node) > 0;
}

bool is_literal(std::string_view text, const Node& node) {
  const char first = peek(text, node.content);
  return node.kind == Kind::kScalar && node.quoted && node.end > node.content &&
         (first == '|' || first == '>');
}

// Behind "|2-".
std::size_t indicator_end(std::string_view text, const Node& node) {
  return std::min(text.find_first_not_of("|>+-0123456789", node.content), text.size());
}

struct Span {
  std::size_t begin;
  std::size_t end;
};

// The tag as it stands there; empty span at the content's begin for none. "!" counts.
Span tag_token(std::string_view text, const Node& node) {
  std::size_t at = node.begin;
  while (at < node.content && node.kind != Kind::kAlias) {
    const std::size_t end = lexer::property_end(text, at);
    if (text[at] == '!') return {at, end};
    if (end == at) break;
    at = skip_space(text, end);
  }
  return {node.content, node.content};
}

// Takes the tag away with the blanks on one side of it.
Splice without_tag(std::string_view text, const Node& node, Span tag) {
  const std::size_t next = skip_blanks(text, tag.end);
  if (next < node.end && !lexer::is_break(text[next]) && text[next] != '#') {
    return {tag.begin, next, ""};
  }
  if (first_on_line(text, tag.begin) && lexer::is_break(peek(text, next))) {
    return {line_begin(text, tag.begin), lexer::next_line(text, tag.end), ""};
  }
  std::size_t begin = tag.begin;
  while (begin > 0 && lexer::is_blank(text[begin - 1])) --begin;
  return {begin, tag.end, ""};
}

}  // namespace

std::string spliced(std::string_view text, Splices splices) {
  std::ranges::stable_sort(splices, {}, &Splice::begin);
  std::string result;
  result.reserve(text.size() + 256);
  std::size_t at = 0;
  for (const Splice& splice : splices) {
    const std::string_view line_break = line_break_near(text, splice.begin);
    result += text.substr(at, std::max(splice.begin, at) - at);
    for (const char c : splice.text) {
      if (c == '\n') {
        result += line_break;
      } else {
        result += c;
      }
    }
    at = std::max(at, splice.end);
  }
  return result += text.substr(at);
}

Surgery::Slot Surgery::slot_of(const Trail& trail) const {
  if (trail.depth() == 0) return {trail.last().begin, 0, false};
  const Node& parent = trail.parent();
  const std::size_t index = trail.indexes.back();
  const std::size_t indent = block_column(text, parent);
  if (parent.kind == Kind::kSequence) {
    return {child_begin(text, parent, index) + 1, indent, true};
  }
  const std::size_t colon = lexer::colon_end(text, parent.entries[index].key.end, parent.flow);
  return {colon == std::string_view::npos ? trail.last().begin : colon, indent, false};
}

Splices Surgery::replace(const Trail& trail, const NewNode& value) const {
  const Node& node = trail.last();
  if (trail.in_flow()) return replace_inline(trail, value);
  const bool block_value = writer.is_block(value);
  // What stands between brackets stays there; {} may be left for lines below it.
  const bool to_lines = block_value && !(node.flow && child_count(node) > 0);
  if (to_lines || is_block_collection(node)) {
    return trail.depth() == 0 ? replace_root(value) : replace_in_block(trail, value);
  }
  return is_literal(text, node) ? replace_literal(trail, value) : replace_inline(trail, value);
}

Splices Surgery::replace_inline(const Trail& trail, const NewNode& value) const {
  const Node& node = trail.last();
  const Place place = trail.in_flow() ? Place::kFlow : Place::kBlock;
  NewNode untagged = value;
  untagged.tag.clear();
  const bool scalar = value.kind == Kind::kScalar || value.kind == Kind::kNull;
  std::string content =
      scalar ? writer.scalar(untagged, place, quote_of(text, node)) : writer.flow(untagged);

  Splices splices;
  if (node.kind == Kind::kAlias) {
    const std::string tag = value.tag.empty() ? "" : write_tag(value.tag) + " ";
    return {{node.begin, node.end, tag + content}};
  }
  const Span tag = tag_token(text, node);
  const bool has_tag = tag.end > tag.begin;
  const bool same_tag = value.tag == node.tag && (has_tag == !value.tag.empty());
  if (!same_tag && has_tag && !value.tag.empty()) {
    splices.push_back({tag.begin, tag.end, write_tag(value.tag)});
  } else if (!same_tag && has_tag && node.end > node.content) {
    splices.push_back(without_tag(text, node, tag));
  } else if (!same_tag && has_tag) {
    return {{tag.begin, tag.end, content}};
  } else if (!same_tag) {
    content = write_tag(value.tag) + " " + content;
  }
  if (node.end > node.content) {
    if (peek(text, node.end) == '#') content += ' ';  // "x"#comment, but x #comment
    splices.push_back({node.content, node.end, content});
    return splices;
  }
  // Not written yet. {a} has not even a colon.
  bool colon = true;
  if (trail.depth() > 0 && trail.parent().kind == Kind::kMapping) {
    const Node& key = trail.parent().entries[trail.indexes.back()].key;
    colon = lexer::colon_end(text, key.end, trail.parent().flow) != text.npos;
  }
  const bool blank_before = node.end == 0 || lexer::blank_or_break(text[node.end - 1]);
  splices.push_back({node.end, node.end, (!colon ? ": " : blank_before ? "" : " ") + content});
  return splices;
}

// A block scalar: one line takes the indicator's place and leaves its comment.
Splices Surgery::replace_literal(const Trail& trail, const NewNode& value) const {
  const Node& node = trail.last();
  const std::size_t header = indicator_end(text, node);
  const std::size_t body = std::min(line_end(text, header), node.end);
  Splices splices;
  if (value.tag != node.tag) splices = retag(trail, value.tag);
  if (value.kind == Kind::kScalar && !writer.careful() && Writer::fits_literal(value)) {
    const std::size_t first = std::min(text.find_first_not_of(" \t\r\n", body), node.end);
    const Slot slot = slot_of(trail);
    const std::size_t column = first < node.end && first > body ? column_of(text, first)
                                                                : slot.indent + writer.style().step;
    const Writer::Literal literal = Writer::literal(value.value, column);
    splices.push_back({node.content, header, literal.indicator});
    splices.push_back({body, node.end, literal.body});
    return splices;
  }
  NewNode untagged = value;
  untagged.tag.clear();
  const bool scalar = value.kind == Kind::kScalar || value.kind == Kind::kNull;
  splices.push_back({node.content, header,
                     scalar ? writer.scalar(untagged, Place::kBlock, 0) : writer.flow(untagged)});
  if (body < node.end) splices.push_back({body, node.end, ""});
  return splices;
}

// " &anchor !tag" for the line of the key or dash.
std::string Surgery::head(const Node& node, const NewNode& value) const {
  std::string result;
  if (node.kind != Kind::kAlias && !node.anchor.empty()) result += " &" + node.anchor;
  if (!value.tag.empty()) result += " " + write_tag(value.tag);
  return result;
}

// The old value or the new one, or both, take lines of their own below the key or dash.
Splices Surgery::replace_in_block(const Trail& trail, const NewNode& value) const {
  const Node& node = trail.last();
  const Slot slot = slot_of(trail);
  const bool lines_below = is_block_collection(node);
  // Up to here the line of the key or dash belongs to the old value; a comment may follow.
  std::size_t head_end = node.end;
  if (lines_below) {
    head_end = slot.after;
    if (node.content > node.begin && !has_break(text, slot.after, node.begin)) {
      head_end = properties_end(text, node);
    }
    if (!has_break(text, slot.after, node.content)) head_end = line_end(text, node.end);
  } else if (is_literal(text, node)) {
    head_end = indicator_end(text, node);
  }
  const std::size_t old_end = lines_below ? line_end(text, node.end) : std::max(head_end, node.end);
  const std::size_t below = std::min(line_end(text, head_end), std::max(old_end, head_end));
  const std::string head_text = head(node, value);
  NewNode untagged = value;
  untagged.tag.clear();

  Splices splices;
  if (!writer.is_block(value)) {
    const bool scalar = value.kind == Kind::kScalar || value.kind == Kind::kNull;
    const std::string content =
        scalar ? writer.scalar(untagged, Place::kBlock, 0) : writer.flow(untagged);
    splices.push_back({slot.after, head_end, head_text + " " + content});
    if (below < old_end) splices.push_back({below, old_end, ""});
    return splices;
  }
  const std::size_t line = line_end(text, head_end);
  if (slot.item && head_text.empty() && !comment_follows(text, head_end)) {
    splices.push_back({slot.after, std::max(old_end, line), writer.item(untagged, slot.indent, 1)});
    return splices;
  }
  std::size_t column = slot.indent + writer.style().step;
  if (value.kind == Kind::kSequence && !slot.item) {
    column = slot.indent + writer.style().sequence_offset;
  }
  if (lines_below && node.kind == value.kind) column = block_column(text, node);
  splices.push_back({slot.after, head_end, head_text});
  splices.push_back({line, std::max(line, old_end),
                     "\n" + std::string(column, ' ') + writer.lines(untagged, column)});
  return splices;
}

// The root, when it is or becomes a block mapping or list. Nothing may be written yet.
Splices Surgery::replace_root(const NewNode& value) const {
  const Node& root = document.root();
  NewNode untagged = value;
  untagged.tag.clear();
  std::string content = head(root, value);
  if (!content.empty()) {
    content.erase(0, 1);
    content += writer.is_block(value) ? "\n" : " ";
  }
  const bool scalar = value.kind == Kind::kScalar || value.kind == Kind::kNull;
  content += writer.is_block(value) ? writer.lines(untagged, 0)
             : scalar               ? writer.scalar(untagged, Place::kBlock, 0)
                                    : writer.flow(untagged);
  if (root.end > root.begin) {
    const bool whole_lines = is_block_collection(root);
    const std::size_t end = whole_lines ? line_end(text, root.end) : root.end;
    const bool behind_marker = !first_on_line(text, root.begin);
    return {{root.begin, end, (behind_marker ? "\n" : "") + content}};
  }
  // At the end, but before a line "...".
  std::size_t at = text.size();
  for (std::size_t line = root.end; line < at; line = lexer::next_line(text, line)) {
    if (text.substr(line).starts_with("...") && column_of(text, line) == 0) at = line;
  }
  const std::size_t begin = lexer::bom_size(text);
  if (at < text.size()) return {{at, at, content + "\n"}};
  if (at == begin) return {{at, at, content + "\n"}};
  if (text.ends_with('\n')) return {{at, at, content + "\n"}};
  return {{at, at, "\n" + content}};
}

Splices Surgery::retag(const Trail& trail, std::string_view tag) const {
  const Node& node = trail.last();
  const Span old = tag_token(text, node);
  if (old.end > old.begin) {
    if (tag.empty()) return {without_tag(text, node, old)};
    return {{old.begin, old.end, write_tag(tag)}};
  }
  const std::string token = write_tag(tag);
  if (is_compact(text, node)) {
    return {{node.content, node.content, token + " {"}, {node.end, node.end, "}"}};
  }
  if (node.flow || child_count(node) == 0) {
    if (node.end > node.content) return {{node.content, node.content, token + " "}};
    NewNode nothing;
    nothing.kind = Kind::kNull;
    Splices splices = replace_inline(trail, nothing);
    std::string& written = splices.back().text;  // "null", with what must stand before it
    written.replace(written.size() - 4, 4, token);
    return splices;
  }
  // A block collection: behind its key or dash, if it begins in a line below.
  const Slot slot = slot_of(trail);
  const std::size_t properties = properties_end(text, node);
  if (node.content > node.begin) return {{properties, properties, " " + token}};
  if (trail.depth() > 0 && has_break(text, slot.after, node.content)) {
    return {{slot.after, slot.after, " " + token}};
  }
  const std::string indent(column_of(text, node.content), ' ');
  return {{node.content, node.content, token + "\n" + indent}};
}

}  // namespace kscpush::yaml

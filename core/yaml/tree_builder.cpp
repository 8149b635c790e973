#include "core/yaml/tree_builder.hpp"

#include <algorithm>

#include <yaml-cpp/mark.h>

#include "core/yaml/lexer.hpp"
#include "core/yaml/scalar.hpp"
#include "core/yaml/unique_keys.hpp"

namespace kscpush::yaml {
namespace {

using lexer::peek;
using lexer::skip_space;

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

Mark to_mark(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

bool is_bracket(char c) {
  return c == '[' || c == '{';
}

}  // namespace

TreeBuilder::TreeBuilder(std::string_view text)
    : text_(text), bom_(lexer::bom_size(text)), cursor_(bom_), counted_(bom_), line_begin_(bom_) {
  root_.mark = {1, 1};
  root_.begin = root_.content = root_.end = bom_;
}

// yaml-cpp eats the byte order mark before it counts.
std::size_t TreeBuilder::offset(const YAML::Mark& mark) const {
  return std::min(text_.size(), bom_ + static_cast<std::size_t>(std::max(mark.pos, 0)));
}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
  const std::size_t at = offset(mark);
  const bool marker = text_.substr(at).starts_with("---");
  if (started_) {
    throw TreeError{
        to_mark(mark),
        marker ? "a second document begins here" : "this does not belong to the document before it",
        marker ? "a configuration is one document; delete '---' or split the file"
               : "check the indentation and the brackets of the lines above"};
  }
  started_ = true;
  cursor_ = marker ? at + 3 : at;
}

void TreeBuilder::OnAnchor(const YAML::Mark& /*mark*/, const std::string& name) {
  pending_anchor_ = name;
  anchored_ = true;
}

bool TreeBuilder::at_key() const {
  return !frames_.empty() && frames_.back().node.kind == Kind::kMapping && !frames_.back().has_key;
}

void TreeBuilder::enter(std::size_t begin) {
  if (frames_.empty()) return;
  Frame& frame = frames_.back();
  if (frame.node.kind == Kind::kMapping) return enter_entry(begin);
  const char indicator = frame.node.flow ? ',' : '-';
  if (frame.node.flow && frame.node.items.empty()) return;
  const std::size_t at = skip_space(text_, cursor_);
  if (peek(text_, at) == indicator) cursor_ = at + 1;
}

void TreeBuilder::enter_entry(std::size_t begin) {
  Frame& frame = frames_.back();
  if (frame.has_key) {
    const std::size_t behind = lexer::colon_end(text_, cursor_, frame.node.flow);
    if (behind != std::string_view::npos) {
      cursor_ = behind;
    } else if (!frame.node.flow && !frame.explicit_key) {
      // yaml-cpp lets the end of the block stand for it.
      throw TreeError{frame.node.entries.back().key.mark, "a key without ':'",
                      "write 'key: value', or indent the line if it belongs to the one above"};
    }
    return;
  }
  // Braces come before the first key; what begins with its own key has none.
  if (frame.node.flow && frame.node.entries.empty() && begin == frame.node.begin) {
    frame.compact = true;
    cursor_ = begin;
  }
  std::size_t at = skip_space(text_, cursor_);
  if (frame.node.flow && !frame.node.entries.empty() && peek(text_, at) == ',') {
    cursor_ = at + 1;
    at = skip_space(text_, cursor_);
  }
  frame.explicit_key = peek(text_, at) == '?' && lexer::blank_or_break(peek(text_, at + 1));
  if (frame.explicit_key) cursor_ = at + 1;
}

Node TreeBuilder::start(const YAML::Mark& mark, const std::string& tag) {
  ++events_;
  enter(offset(mark));
  Node node;
  node.begin = offset(mark);
  node.mark = to_mark(mark);
  node.anchor = std::exchange(pending_anchor_, {});
  tagged_ = tag != "?";
  if (tagged_ && tag != "!") node.tag = tag;
  const std::size_t end = properties_end(node);
  node.content = end == node.begin ? end : skip_space(text_, end);
  return node;
}

std::size_t TreeBuilder::properties_end(const Node& node) const {
  return lexer::properties_end(text_, node.begin, tagged_, !node.anchor.empty());
}

// A null that is not written: yaml-cpp's mark is then that of whatever comes next.
void TreeBuilder::leave_unwritten(Node& node) {
  node.kind = Kind::kNull;
  if (node.anchor.empty()) {
    node.begin = cursor_;
    node.mark = mark_at(cursor_);
  }
  node.content = node.end = node.anchor.empty() ? cursor_ : properties_end(node);
}

// The same bytes may be the next key, "a:" and then "null: 1" in the next line, or begin it, "? "
// and then "null::".
bool TreeBuilder::null_is_written(std::size_t content, std::size_t word_end) const {
  if (content < cursor_ || content == word_end) return false;
  if (!is_null_word(text_.substr(content, word_end - content))) return false;
  const std::size_t next = lexer::skip_blanks(text_, word_end);
  const char c = peek(text_, next);
  const bool flow = !frames_.empty() && frames_.back().node.flow;
  if (at_key() && lexer::colon_end(text_, next, flow) == next + 1) return true;
  return lexer::is_break(c) || (c == '#' && next > word_end) ||
         (flow && (c == ',' || c == ']' || c == '}'));
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) {
  Node node = start(mark, "?");
  const std::string_view ahead = text_.substr(node.content, 5);  // no null word is longer than 4
  const std::size_t word_end =
      node.content + std::min(ahead.size(), ahead.find_first_of(" \t\r\n:,[]{}#"));
  if (null_is_written(node.content, word_end)) {
    node.kind = Kind::kNull;
    node.end = word_end;
  } else {
    leave_unwritten(node);
    // Of no use to anybody, and with "?" yaml-cpp leaves it open what belongs to what.
    if (at_key() && node.anchor.empty()) {
      throw TreeError{to_mark(mark), "a value without a key", "write its key before the ':'"};
    }
  }
  attach(std::move(node));
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Node node = start(mark, "?");
  node.kind = Kind::kAlias;
  node.content = node.begin;
  node.end = lexer::alias_end(text_, node.begin);
  node.anchor = text_.substr(node.begin + 1, node.end - node.begin - 1);
  if (anchor < open_anchors_.size() && open_anchors_[anchor]) {
    throw TreeError{node.mark,
                    fmt::format("alias *{} stands inside of the node that it names", node.anchor),
                    "a value cannot contain itself; write the value out"};
  }
  attach(std::move(node));
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*id*/,
                           const std::string& value) {
  Node node = start(mark, tag);
  node.kind = Kind::kScalar;
  node.value = value;
  read_content(node);
  node.quoted = node.quoted || tag == "!" || tag == kStringTag;
  if (!node.quoted && is_null_word(node.value)) {
    node.kind = Kind::kNull;  // yaml-cpp calls "!locked null" and "!locked" alone scalars
    node.value.clear();
  }
  attach(std::move(node));
}

// Style and end of a scalar.
void TreeBuilder::read_content(Node& node) {
  const std::size_t at = node.content;
  const char first = peek(text_, at);
  const bool has_properties = at != node.begin;
  if (first == '"' || first == '\'') {
    const std::size_t end = lexer::quoted_end(text_, at);
    if (end == std::string_view::npos) {
      // yaml-cpp lets the end of the file close them.
      throw TreeError{mark_at(at), "the quotes that begin here are not closed",
                      "close them, or put the text into the other kind of quotes"};
    }
    if (!has_properties || !node.value.empty() || !is_next_key(at, end)) {
      node.quoted = true;
      node.end = end;
      return;
    }
  } else if (first == '|' || first == '>') {
    node.quoted = true;
    node.end = lexer::block_scalar_end(text_, at, node.value);
    return;
  } else if (!node.value.empty()) {
    node.end = lexer::plain_end(text_, at, node.value);
    return;
  }
  node.content = node.end = properties_end(node);
}

// After a tag, quotes may be an empty string or, in the next line, the next key.
bool TreeBuilder::is_next_key(std::size_t content, std::size_t end) const {
  // What reads as nothing: "" or line ends that are escaped.
  const std::string_view inside = text_.substr(content + 1, end - content - 2);
  if (!inside.empty() && inside[0] != '\\') return true;
  if (inside.find_first_not_of(" \t\r\n\\") != std::string_view::npos) return true;
  return !at_key() && peek(text_, lexer::skip_blanks(text_, end)) == ':';
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                                  YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
  Node node = start(mark, tag);
  node.kind = Kind::kSequence;
  node.flow = style != YAML::EmitterStyle::Block;
  open(std::move(node), anchor);
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value style) {
  Node node = start(mark, tag);
  node.kind = Kind::kMapping;
  node.flow = style != YAML::EmitterStyle::Block;
  open(std::move(node), anchor);
}

void TreeBuilder::open(Node node, YAML::anchor_t anchor) {
  cursor_ = node.content;
  if (node.flow && is_bracket(peek(text_, cursor_))) ++cursor_;
  if (anchor != 0) {
    open_anchors_.resize(std::max<std::size_t>(open_anchors_.size(), anchor + 1));
    open_anchors_[anchor] = true;
  }
  const bool compact = node.flow && node.kind == Kind::kMapping && peek(text_, node.content) != '{';
  if (compact) cursor_ = node.content;
  frames_.push_back({std::move(node), false, false, compact, anchor});
}

void TreeBuilder::attach(Node node) {
  cursor_ = std::max(cursor_, node.end);
  if (frames_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = frames_.back();
  if (frame.node.kind == Kind::kSequence) {
    frame.node.items.push_back(std::move(node));
  } else if (!frame.has_key) {
    frame.node.entries.emplace_back().key = std::move(node);
    frame.has_key = true;
  } else {
    frame.node.entries.back().value = std::move(node);
    frame.has_key = false;
  }
}

void TreeBuilder::close() {
  ++events_;
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.node.flow && !frame.compact) {
    std::size_t at = skip_space(text_, cursor_);
    while (std::string_view(",:?").find(peek(text_, at)) != std::string_view::npos) {
      at = skip_space(text_, at + 1);
    }
    cursor_ = std::min(at + 1, text_.size());
  }
  frame.node.end = cursor_;
  if (frame.anchor != 0) open_anchors_[frame.anchor] = false;
  if (const auto repeated = find_repeated_key(frame.node)) {
    throw TreeError{repeated->again->mark,
                    fmt::format("key '{}' stands twice in one mapping, first in line {}",
                                repeated->again->value, repeated->first->mark.line),
                    "delete one of the two"};
  }
  attach(std::move(frame.node));
}

const Node* TreeBuilder::open_flow() const {
  const auto found = std::find_if(frames_.rbegin(), frames_.rend(), [](const Frame& frame) {
    return frame.node.flow && !frame.compact;
  });
  return found == frames_.rend() ? nullptr : &found->node;
}

const Node* TreeBuilder::outer_flow() const {
  const auto found =
      std::ranges::find_if(frames_, [](const Frame& frame) { return frame.node.flow; });
  return found == frames_.end() ? nullptr : &found->node;
}

Mark TreeBuilder::mark_at(std::size_t at) {
  while (true) {
    const std::size_t end = text_.find('\n', counted_);
    if (end >= at) break;
    ++line_;
    counted_ = line_begin_ = end + 1;
  }
  return {line_, static_cast<int>(at - line_begin_) + 1};
}

}  // namespace kscpush::yaml

// Writes new values as YAML, in the style of a file.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/yaml/editor.hpp"
#include "core/yaml/style.hpp"

namespace kscpush::yaml {

// Where a scalar is to stand: what a plain one must not hold differs.
enum class Place : std::uint8_t { kBlock, kFlow };

// Fails (kUsage) on what cannot be written: text that is not UTF-8, tags with blanks, keys beyond
// YAML's 1024 bytes, aliases.
[[nodiscard]] Status check_writable(const NewNode& node);

// "!locked", "!!str" or "!<verbatim>".
[[nodiscard]] std::string write_tag(std::string_view tag);

class Writer {
 public:
  // CAREFUL avoids what depends most on its surroundings: strings of several lines are then written
  // as "a\nb". Lines end with "\n".
  Writer(const Style& style, bool careful) : style_(style), careful_(careful) {}

  // QUOTE is ' or " where the value stands in such quotes already, and 0 elsewhere.
  [[nodiscard]] std::string scalar(const NewNode& node, Place place, char quote) const;
  [[nodiscard]] std::string key(std::string_view key, Place place, char quote) const;
  // Between brackets, in one line, with the tag.
  [[nodiscard]] std::string flow(const NewNode& node) const;

  // What follows "key:" of a block mapping in column INDENT, with the blank or line end before it.
  [[nodiscard]] std::string value(const NewNode& node, std::size_t indent) const;
  // What follows "-" in column INDENT; GAP blanks are between the dash and a value in its line.
  [[nodiscard]] std::string item(const NewNode& node, std::size_t indent, std::size_t gap) const;
  // A mapping or list as lines: the first begins at once, the others in column INDENT.
  [[nodiscard]] std::string lines(const NewNode& node, std::size_t indent) const;
  // The text of a block scalar's lines, each with the line end before it, and its indicator.
  struct Literal {
    std::string indicator;
    std::string body;
  };
  [[nodiscard]] static bool fits_literal(const NewNode& node);
  [[nodiscard]] static Literal literal(std::string_view value, std::size_t indent);

  // Whether the value takes lines of its own in block style.
  [[nodiscard]] bool is_block(const NewNode& node) const;
  // The same with each string in such quotes.
  [[nodiscard]] Writer always_quoting(char quote) const {
    Style style = style_;
    style.always_quote = quote;
    return {style, careful_};
  }
  [[nodiscard]] bool careful() const { return careful_; }
  [[nodiscard]] const Style& style() const { return style_; }

 private:
  Style style_;
  bool careful_;
};

}  // namespace kscpush::yaml

// A YAML file as text and tree at once: every node knows the bytes it was written with.
//
// yaml-cpp reads the text (its event interface: marks, tags, anchors, styles); the tree here is
// lean, holds aliases unexpanded, and never changes after parse(). Editing is core/yaml/editor.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace kscpush::yaml {

// Where something stands: line and column count from 1; the column counts bytes.
struct Mark {
  int line = 0;
  int column = 0;
};

enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMapping, kAlias };

struct Entry;

struct Node {
  Kind kind = Kind::kNull;
  bool flow = false;    // [..] or {..}
  bool quoted = false;  // scalar in quotes: always a string
  std::string tag;      // "!locked"; empty for none
  std::string anchor;   // name without '&'; for an alias the name without '*'
  std::string value;    // scalar: as yaml-cpp unescaped it
  Mark mark;            // first byte of tag, anchor or content
  std::size_t begin = 0;  // offsets into Document::text(): of the node with its properties,
  std::size_t end = 0;    // up to behind its last content byte (no comment, no line end)
  std::vector<Node> items;     // sequence
  std::vector<Entry> entries;  // mapping, in file order

  // The value under a key of a mapping, nullptr if there is none or this is no mapping.
  [[nodiscard]] const Node* find(std::string_view key) const;
};

struct Entry {
  Node key;
  Node value;
};

// Same data: kind, tag, value, quotedness where it changes the type, children in order; not style,
// not comments. Aliases are equal when they name equal anchors.
[[nodiscard]] bool same_data(const Node& a, const Node& b);

class Document {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

  // NAME stands in messages. Errors (kInvalidConfig) read "NAME:LINE:COLUMN: what", with a hint:
  // does not parse, more than one document, not UTF-8 (with the byte), too large, too deep,
  // duplicate key, tabs as indentation. An empty file is a document with a null root.
  [[nodiscard]] static Result<Document> parse(std::string text, std::string name);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Node& root() const { return root_; }
  // What an alias stands for; other nodes stand for themselves. The node is of this document.
  [[nodiscard]] const Node& resolve(const Node& node) const;
  [[nodiscard]] std::string at(const Node& node) const;  // "NAME:LINE:COLUMN"

 private:
  std::string text_;
  std::string name_;
  Node root_;
  std::vector<std::pair<std::string, const Node*>> anchors_;
};

}  // namespace kscpush::yaml

// A YAML file as text and tree at once: every node knows the bytes it was written with.
//
// yaml-cpp reads the text (its event interface: marks, tags, anchors, styles); the tree here is
// lean, holds aliases unexpanded, and never changes after parse(). Editing is core/yaml/editor.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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
  bool quoted = false;  // scalar in quotes or a block scalar (| >): always a string
  std::string tag;      // "!locked"; "!!str" is "tag:yaml.org,2002:str"; empty for none
  std::string anchor;   // name without '&'; for an alias the name without '*'
  std::string value;    // scalar: as yaml-cpp unescaped it
  Mark mark;            // first byte of tag, anchor or content
  // Offsets into Document::text(). A null that is not written at all has begin == end: where it
  // would be, behind the ':' or '-' before it.
  std::size_t begin = 0;       // of the node with its tag and anchor
  std::size_t content = 0;     // of what follows tag and anchor
  std::size_t end = 0;         // behind its last content byte (no comment, no line end)
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

// Copies share the text and the tree, so a Document is cheap to hand around, and nodes live as long
// as any copy. Thread safe, as nothing changes.
class Document {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

  Document();  // of an empty text

  // NAME stands in messages. Errors (kInvalidConfig) read "NAME:LINE:COLUMN: what", with a hint:
  // does not parse, more than one document, not UTF-8 (with the byte), control characters, too
  // large, too deep, duplicate key, tabs as indentation, an alias without its anchor or inside of
  // it. An empty file is a document with a null root.
  [[nodiscard]] static Result<Document> parse(std::string text, std::string name);

  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const Node& root() const;
  // What an alias stands for; other nodes stand for themselves. The node is of this document.
  // Never an alias again. Whoever walks down through aliases must bound the walk: aliases of
  // aliases multiply ("billion laughs").
  [[nodiscard]] const Node& resolve(const Node& node) const;
  [[nodiscard]] std::string at(const Node& node) const;  // "NAME:LINE:COLUMN"
  // The entries of a mapping as a reader sees them: aliases resolved, merge keys (<<) replaced by
  // what they bring in behind the mapping's own entries, which win, as do earlier ones. Empty for
  // anything but a mapping. Merges that are no mappings or aliases of such are left out.
  [[nodiscard]] std::vector<const Entry*> entries(const Node& mapping) const;

 private:
  struct Content;
  explicit Document(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

}  // namespace kscpush::yaml

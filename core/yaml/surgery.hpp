// The single cuts that edits are made of: each says which bytes to replace by what. They know how
// YAML is laid out, not whether the edit is allowed; what comes out is verified by the caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/yaml/document.hpp"
#include "core/yaml/trail.hpp"
#include "core/yaml/writer.hpp"

namespace kscpush::yaml {

// Replaces [begin, end) of the old text. The text has "\n" for line ends; spliced() translates.
struct Splice {
  std::size_t begin;
  std::size_t end;
  std::string text;
};
using Splices = std::vector<Splice>;

// Splices must not overlap; those at the same place keep their order.
[[nodiscard]] std::string spliced(std::string_view text, Splices splices);

struct Surgery {
  const Document& document;
  const Writer& writer;
  std::string_view text;  // the document's

  // Another value for the last node of the trail; its anchor stays.
  [[nodiscard]] Splices replace(const Trail& trail, const NewNode& value) const;
  // A new last child of the last node of the trail: a mapping, or a list (KEY is ignored).
  [[nodiscard]] Splices append(const Trail& trail, std::string_view key,
                               const NewNode& value) const;
  // The last node of the trail goes, with its key; its parent stays, if only as {} or [].
  [[nodiscard]] Splices erase(const Trail& trail) const;
  // Another tag, or none, for the last node of the trail.
  [[nodiscard]] Splices retag(const Trail& trail, std::string_view tag) const;

 private:
  struct Slot;
  [[nodiscard]] Slot slot_of(const Trail& trail) const;
  [[nodiscard]] std::string head(const Node& node, const NewNode& value) const;
  [[nodiscard]] Splices replace_inline(const Trail& trail, const NewNode& value) const;
  [[nodiscard]] Splices replace_literal(const Trail& trail, const NewNode& value) const;
  [[nodiscard]] Splices replace_in_block(const Trail& trail, const NewNode& value) const;
  [[nodiscard]] Splices replace_root(const NewNode& value) const;
  [[nodiscard]] Splices append_flow(const Node& node, const std::string& child) const;
  [[nodiscard]] Splices fill_flow(const Node& node, const std::string& child) const;
  [[nodiscard]] Splices append_flow_line(const Node& node, const std::string& child) const;
  [[nodiscard]] std::size_t append_point(std::size_t end, std::size_t indent) const;
  [[nodiscard]] Splices erase_block(const Node& parent, std::size_t index) const;
  [[nodiscard]] Splices erase_flow(const Node& parent, std::size_t index) const;
  [[nodiscard]] Splices erase_flow_line(const Node& parent, std::size_t index) const;
  [[nodiscard]] std::size_t described_from(const Node& parent, std::size_t index) const;
  [[nodiscard]] std::size_t comments_above(std::size_t begin) const;
};

}  // namespace kscpush::yaml

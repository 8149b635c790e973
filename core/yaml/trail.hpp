// The nodes along a path, and what forbids to edit them.
#pragma once

#include <vector>

#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

// As far as the path exists: nodes[0] is the root, nodes[i] what the path's first i steps lead to,
// and indexes[i] says which child of nodes[i] nodes[i + 1] is. Aliases are not followed.
struct Trail {
  std::vector<const Node*> nodes;
  std::vector<std::size_t> indexes;

  [[nodiscard]] std::size_t depth() const { return indexes.size(); }
  [[nodiscard]] const Node& last() const { return *nodes.back(); }
  [[nodiscard]] const Node& parent() const { return *nodes[nodes.size() - 2]; }
  // Whether the last node stands between brackets.
  [[nodiscard]] bool in_flow() const;
  // Shortened to the first DEPTH steps.
  [[nodiscard]] Trail up_to(std::size_t depth) const;
};

[[nodiscard]] std::size_t child_count(const Node& node);
[[nodiscard]] const Node& child(const Node& node, std::size_t index);

[[nodiscard]] Trail follow(const Document& document, const Path& path);

// What a reader finds at the path, through aliases and merge keys; nullptr for nothing.
[[nodiscard]] const Node* read(const Document& document, const Path& path);

// An error (kConflict) that says where, and what to edit by hand.
[[nodiscard]] tl::unexpected<Error> refuse(const Document& document, const Node& node,
                                           std::string_view what, std::string hint);

// Fails when an alias elsewhere shows a node of the trail, so that a change at its end would be a
// change there too. Changes of the last node itself count.
[[nodiscard]] Status check_not_shared(const Document& document, const Trail& trail);
// Fails when an alias outside of NODE stands for something inside of it or for itself.
[[nodiscard]] Status check_not_needed(const Document& document, const Node& node);

}  // namespace kscpush::yaml

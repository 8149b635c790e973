// Whether a new tree is the old one with exactly the intended change.
#pragma once

#include <string>
#include <vector>

#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

// The intended change of the node that WHERE, child indexes from the root, leads to.
struct Change {
  enum class Kind {
    kReplace,  // it is VALUE now; its anchor stays
    kAppend,   // it has one child more at its end: VALUE, in a mapping under KEY
    kErase,    // its child INDEX is gone
    kRetag,    // its tag is VALUE's
    kRewrite,  // it is another node of the same kind, with the same tag and anchor
  };
  Kind kind;
  std::vector<std::size_t> where;
  const NewNode* value = nullptr;
  std::string key;
  std::size_t index = 0;
};

// Compares everything but style and comments: kinds, tags, anchors, values, whether scalars are
// quoted, the order of children, and that each alias stands for the same node as before.
[[nodiscard]] bool is_changed_by(const Document& before, const Document& after,
                                 const Change& change);

// Whether the node, as it is read, is VALUE: kind, tag, text and type.
[[nodiscard]] bool reads_as(const Document& document, const Node& node, const NewNode& value);

}  // namespace kscpush::yaml

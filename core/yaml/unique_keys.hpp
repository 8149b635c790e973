// Keys that stand twice in one mapping.
#pragma once

#include <optional>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {

struct RepeatedKey {
  const Node* first;
  const Node* again;
};

// The first key of the mapping that has been there before; of others than mappings nothing. Keys
// are the same when their text is, whatever their tags and quotes: YAML would tell 1 from "1", but
// readers do not, and nor does Node::find(). Aliases are the same when their names are; keys that
// are collections are not compared.
[[nodiscard]] std::optional<RepeatedKey> find_repeated_key(const Node& mapping);

}  // namespace kscpush::yaml

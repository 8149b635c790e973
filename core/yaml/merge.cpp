// Merge keys: Document::entries().
#include <unordered_set>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {
namespace {

bool is_merge_key(const Node& key) {
  return key.kind == Kind::kScalar && !key.quoted && key.value == "<<";
}

// The mappings that VALUE, of a merge key, names, the last one first.
void push_merged(const Document& document, const Node& value, std::vector<const Node*>& stack) {
  const Node& merged = document.resolve(value);
  if (merged.kind == Kind::kMapping) stack.push_back(&merged);
  for (auto item = merged.items.rbegin(); item != merged.items.rend(); ++item) {
    stack.push_back(&document.resolve(*item));
  }
}

}  // namespace

// Depth first, as the first merge wins over the second with all that it merges itself. Each mapping
// is looked at once, so merges of merges cannot multiply, and no chain of them is too long.
std::vector<const Entry*> Document::entries(const Node& mapping) const {
  std::vector<const Entry*> result;
  std::unordered_set<std::string_view> keys;
  std::unordered_set<const Node*> visited;
  std::vector<const Node*> stack{&resolve(mapping)};
  while (!stack.empty()) {
    const Node& node = *stack.back();
    stack.pop_back();
    if (!visited.insert(&node).second) continue;
    for (const Entry& entry : node.entries) {
      if (is_merge_key(entry.key)) continue;
      const Node& key = resolve(entry.key);
      if (key.kind != Kind::kScalar || keys.insert(key.value).second) result.push_back(&entry);
    }
    for (auto entry = node.entries.rbegin(); entry != node.entries.rend(); ++entry) {
      if (is_merge_key(entry->key)) push_merged(*this, entry->value, stack);
    }
  }
  return result;
}

}  // namespace kscpush::yaml

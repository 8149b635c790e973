#include "core/yaml/unique_keys.hpp"

#include <functional>
#include <unordered_set>

namespace kscpush::yaml {
namespace {

struct Same {
  // Heterogeneous to the eye only: nodes are compared through pointers, nothing is copied.
  bool operator()(const Node* a, const Node* b) const {
    return a->kind == b->kind && a->value == b->value &&
           (a->kind != Kind::kAlias || a->anchor == b->anchor);
  }
  std::size_t operator()(const Node* node) const {
    const std::hash<std::string_view> hash;
    return node->kind == Kind::kAlias ? ~hash(node->anchor) : hash(node->value);
  }
};

bool comparable(const Node& key) {
  return key.kind == Kind::kScalar || key.kind == Kind::kNull || key.kind == Kind::kAlias;
}

// Below this many entries comparing each with each is faster than hashing.
constexpr std::size_t kFew = 12;

std::optional<RepeatedKey> search_few(const Node& mapping) {
  const Same same;
  for (std::size_t i = 1; i < mapping.entries.size(); ++i) {
    const Node& again = mapping.entries[i].key;
    if (!comparable(again)) continue;
    for (std::size_t j = 0; j < i; ++j) {
      const Node& first = mapping.entries[j].key;
      if (same(&first, &again)) return RepeatedKey{&first, &again};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<RepeatedKey> find_repeated_key(const Node& mapping) {
  if (mapping.entries.size() <= kFew) return search_few(mapping);
  std::unordered_set<const Node*, Same, Same> seen(mapping.entries.size());
  for (const Entry& entry : mapping.entries) {
    if (!comparable(entry.key)) continue;
    const auto [found, fresh] = seen.insert(&entry.key);
    if (!fresh) return RepeatedKey{*found, &entry.key};
  }
  return std::nullopt;
}

}  // namespace kscpush::yaml

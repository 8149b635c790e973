#include "core/yaml/trail.hpp"

#include <algorithm>

namespace kscpush::yaml {
namespace {

// Each alias of the document with what it stands for.
struct Use {
  const Node* alias;
  const Node* target;
};

void collect_uses(const Document& document, const Node& node, std::vector<Use>& uses) {
  if (node.kind == Kind::kAlias) uses.push_back({&node, &document.resolve(node)});
  for (const Node& item : node.items) collect_uses(document, item, uses);
  for (const Entry& entry : node.entries) {
    collect_uses(document, entry.key, uses);
    collect_uses(document, entry.value, uses);
  }
}

std::vector<Use> uses_of(const Document& document) {
  std::vector<Use> uses;
  // Most files have no alias, and their trees need not be walked.
  if (document.text().find('*') != std::string::npos) {
    collect_uses(document, document.root(), uses);
  }
  return uses;
}

bool inside(const Node& node, const Node& outer) {
  return node.begin >= outer.begin && node.end <= outer.end && node.begin < outer.end;
}

// Index of the child that the step names, or child_count() for none.
std::size_t find_child(const Node& node, const Step& step) {
  const std::size_t none = child_count(node);
  if (const auto* index = std::get_if<std::size_t>(&step)) {
    return node.kind == Kind::kSequence ? std::min(*index, none) : none;
  }
  if (node.kind != Kind::kMapping) return none;
  const auto& key = std::get<std::string>(step);
  const auto found = std::ranges::find_if(node.entries, [&](const Entry& entry) {
    return entry.key.kind == Kind::kScalar && entry.key.value == key;
  });
  return static_cast<std::size_t>(found - node.entries.begin());
}

}  // namespace

bool Trail::in_flow() const {
  return std::any_of(nodes.begin(), nodes.end() - 1, [](const Node* node) { return node->flow; });
}

Trail Trail::up_to(std::size_t depth) const {
  Trail result = *this;
  result.nodes.resize(depth + 1);
  result.indexes.resize(depth);
  return result;
}

std::size_t child_count(const Node& node) {
  return node.kind == Kind::kMapping ? node.entries.size() : node.items.size();
}

const Node& child(const Node& node, std::size_t index) {
  return node.kind == Kind::kMapping ? node.entries[index].value : node.items[index];
}

Trail follow(const Document& document, const Path& path) {
  Trail trail{{&document.root()}, {}};
  for (const Step& step : path) {
    const Node& node = trail.last();
    const std::size_t index = find_child(node, step);
    if (index == child_count(node)) break;
    trail.indexes.push_back(index);
    trail.nodes.push_back(&child(node, index));
  }
  return trail;
}

const Node* read(const Document& document, const Path& path) {
  const Node* node = &document.root();
  for (const Step& step : path) {
    node = &document.resolve(*node);
    const std::size_t index = find_child(*node, step);
    if (index < child_count(*node)) {
      node = &child(*node, index);
      continue;
    }
    const auto* key = std::get_if<std::string>(&step);
    if (key == nullptr) return nullptr;
    const auto entries = document.entries(*node);
    const auto found = std::ranges::find_if(entries, [&](const Entry* entry) {
      return entry->key.kind == Kind::kScalar && entry->key.value == *key;
    });
    if (found == entries.end()) return nullptr;
    node = &(*found)->value;
  }
  return &document.resolve(*node);
}

tl::unexpected<Error> refuse(const Document& document, const Node& node, std::string_view what,
                             std::string hint) {
  return fail(
      {ErrorCode::kConflict, fmt::format("{}: {}", document.at(node), what), std::move(hint)});
}

Status check_not_shared(const Document& document, const Trail& trail) {
  for (const Use& use : uses_of(document)) {
    const auto shown = std::ranges::find(trail.nodes, use.target);
    if (shown == trail.nodes.end()) continue;
    return refuse(
        document, *use.target,
        fmt::format("the change would also change {}, by the alias *{} of the anchor here",
                    document.at(*use.alias), use.alias->anchor),
        fmt::format("edit line {} by hand, or replace the alias in line {} by a value of its own",
                    use.target->mark.line, use.alias->mark.line));
  }
  return {};
}

Status check_not_needed(const Document& document, const Node& node) {
  for (const Use& use : uses_of(document)) {
    if (!inside(*use.target, node) || inside(*use.alias, node)) continue;
    return refuse(document, *use.target,
                  fmt::format("the anchor &{} here is needed by its alias at {}", use.alias->anchor,
                              document.at(*use.alias)),
                  fmt::format("first replace the alias in line {} by a value of its own",
                              use.alias->mark.line));
  }
  return {};
}

}  // namespace kscpush::yaml

#include "core/yaml/verify.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "core/yaml/scalar.hpp"
#include "core/yaml/trail.hpp"

namespace kscpush::yaml {
namespace {

// "true" in YAML's other spellings of it, and the same of "false".
bool same_boolean(std::string_view a, std::string_view b) {
  const auto any_of = [](std::string_view text, std::string_view x, std::string_view y,
                         std::string_view z) { return text == x || text == y || text == z; };
  const auto yes = [&](std::string_view text) { return any_of(text, "true", "True", "TRUE"); };
  const auto no = [&](std::string_view text) { return any_of(text, "false", "False", "FALSE"); };
  return (yes(a) && yes(b)) || (no(a) && no(b));
}

bool scalar_is(const Node& node, const NewNode& value) {
  if (!node.quoted && !value.text && same_boolean(node.value, value.value)) return true;
  if (node.value != value.value) return false;
  // Quotes around what a plain scalar would give a type make it a string; elsewhere they do not
  // matter.
  return !plain_has_type(value.value) || is_null_word(value.value) || node.quoted == value.text;
}

class Comparison {
 public:
  Comparison(const Document& before, const Document& after, const Change& change)
      : before_(before), after_(after), change_(change) {}

  // A and B are at the same place, DEPTH steps along the way to the change.
  bool along(const Node& a, const Node& b, std::size_t depth) {
    if (depth == change_.where.size()) return changed(a, b);
    return shell(a, b) && children(a, b, [&](std::size_t i) {
             const Node& x = child(a, i);
             const Node& y = child(b, i);
             return i == change_.where[depth] ? along(x, y, depth + 1) : same(x, y);
           });
  }

 private:
  // The node without its children.
  bool shell(const Node& a, const Node& b) {
    if (!a.anchor.empty() && a.kind != Kind::kAlias) counterpart_[&a] = &b;
    return a.kind == b.kind && a.tag == b.tag && a.anchor == b.anchor && a.value == b.value &&
           a.quoted == b.quoted;
  }

  bool same(const Node& a, const Node& b) {
    if (!shell(a, b)) return false;
    if (a.kind == Kind::kAlias) return same_target(a, b);
    return children(a, b, [&](std::size_t i) { return same(child(a, i), child(b, i)); });
  }

  // Anchors come before their aliases, so the pair is known by now.
  bool same_target(const Node& a, const Node& b) {
    const auto found = counterpart_.find(&before_.resolve(a));
    return found != counterpart_.end() && found->second == &after_.resolve(b);
  }

  template <class Value>
  bool children(const Node& a, const Node& b, const Value& same_value) {
    if (child_count(a) != child_count(b)) return false;
    for (std::size_t i = 0; i < child_count(a); ++i) {
      if (a.kind == Kind::kMapping && !same(a.entries[i].key, b.entries[i].key)) return false;
      if (!same_value(i)) return false;
    }
    return true;
  }

  bool same_child(const Node& a, std::size_t i, const Node& b, std::size_t j) {
    if (a.kind == Kind::kMapping && !same(a.entries[i].key, b.entries[j].key)) return false;
    return same(child(a, i), child(b, j));
  }

  bool changed(const Node& a, const Node& b) {
    switch (change_.kind) {
      case Change::Kind::kReplace:
        return b.anchor == (a.kind == Kind::kAlias ? std::string() : a.anchor) &&
               reads_as(after_, b, *change_.value) && pair_anchors(a, b);
      case Change::Kind::kRetag:
        return retagged(a, b);
      case Change::Kind::kRewrite:
        return rewritten(a, b);
      case Change::Kind::kAppend:
        return appended(a, b);
      case Change::Kind::kErase:
        return erased(a, b);
    }
    return false;
  }

  // Where parts of the old value have been left in place, so have their anchors. Those of nodes
  // that did change get no counterpart, so that an alias of them elsewhere is noticed.
  bool pair_anchors(const Node& a, const Node& b) {
    const auto old_nodes = anchored_below(a);
    auto old_node = old_nodes.begin();
    for (const Node* node : anchored_below(b)) {
      old_node = std::find_if(old_node, old_nodes.end(),
                              [&](const Node* old) { return old->anchor == node->anchor; });
      if (old_node == old_nodes.end()) return false;
      if (same(**old_node, *node)) {
        counterpart_[*old_node] = node;
      } else {
        forget(**old_node);
      }
      ++old_node;
    }
    return true;
  }

  // What has been paired on the way before a difference was found.
  void forget(const Node& node) {
    counterpart_.erase(&node);
    for (const Node* each : anchored_below(node)) counterpart_.erase(each);
  }

  static std::vector<const Node*> anchored_below(const Node& root) {
    std::vector<const Node*> result;
    const std::function<void(const Node&)> visit = [&](const Node& node) {
      for (std::size_t i = 0; i < child_count(node); ++i) {
        if (node.kind == Kind::kMapping) visit(node.entries[i].key);
        const Node& each = child(node, i);
        if (!each.anchor.empty() && each.kind != Kind::kAlias) result.push_back(&each);
        visit(each);
      }
    };
    visit(root);
    return result;
  }

  bool retagged(const Node& a, const Node& b) {
    // "key:" and "key: !locked" are both null; "" stays "".
    return b.tag == change_.value->tag && a.kind == b.kind && a.anchor == b.anchor &&
           a.value == b.value && a.quoted == b.quoted &&
           children(a, b, [&](std::size_t i) { return same(child(a, i), child(b, i)); });
  }

  // What stays below it keeps its aliases elsewhere; an alias of anything else shows the change.
  bool rewritten(const Node& a, const Node& b) {
    const auto old_nodes = anchored_below(a);
    for (const Node* node : anchored_below(b)) {
      const auto named = std::ranges::find(old_nodes, node->anchor, &Node::anchor);
      if (named == old_nodes.end()) continue;
      if (same(**named, *node)) {
        counterpart_[*named] = node;
      } else {
        forget(**named);
      }
    }
    return a.kind == b.kind && a.tag == b.tag && a.anchor == b.anchor;
  }

  bool appended(const Node& a, const Node& b) {
    const std::size_t count = child_count(a);
    if (!shell(a, b) || child_count(b) != count + 1) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (!same_child(a, i, b, i)) return false;
    }
    if (a.kind == Kind::kMapping) {
      const Node& key = b.entries[count].key;
      const bool key_fits = key.kind == Kind::kScalar && key.value == change_.key &&
                            key.tag.empty() && key.anchor.empty();
      if (!key_fits) return false;
    }
    return child(b, count).anchor.empty() && reads_as(after_, child(b, count), *change_.value);
  }

  bool erased(const Node& a, const Node& b) {
    const std::size_t count = child_count(a);
    if (!shell(a, b) || child_count(b) + 1 != count) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (i == change_.index) continue;
      if (!same_child(a, i, b, i < change_.index ? i : i - 1)) return false;
    }
    return true;
  }

  const Document& before_;
  const Document& after_;
  const Change& change_;
  std::unordered_map<const Node*, const Node*> counterpart_;
};

}  // namespace

bool is_changed_by(const Document& before, const Document& after, const Change& change) {
  return Comparison(before, after, change).along(before.root(), after.root(), 0);
}

bool reads_as(const Document& document, const Node& written, const NewNode& value) {
  const Node& node = document.resolve(written);
  if (node.kind != value.kind || node.tag != value.tag) return false;
  switch (value.kind) {
    case Kind::kNull:
      return true;
    case Kind::kScalar:
      return scalar_is(node, value);
    case Kind::kAlias:
      return false;
    case Kind::kSequence:
      return std::ranges::equal(node.items, value.items, [&](const Node& a, const NewNode& b) {
        return reads_as(document, a, b);
      });
    case Kind::kMapping:
      return std::ranges::equal(node.entries, value.entries, [&](const Entry& a, const auto& b) {
        return a.key.kind == Kind::kScalar && a.key.value == b.first && a.key.tag.empty() &&
               reads_as(document, a.value, b.second);
      });
  }
  return false;
}

}  // namespace kscpush::yaml

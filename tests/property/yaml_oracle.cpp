#include "tests/property/yaml_oracle.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/yaml/quoting.hpp"
#include "core/yaml/scalar.hpp"

namespace kscpush::yaml {
namespace {

// Which node each alias stands for, by the order of the text.
using Targets = std::map<const Model*, const Model*>;

void bind(const Model& model, std::map<std::string, const Model*>& names, Targets& targets) {
  if (model.kind == Kind::kAlias) {
    targets[&model] = names[model.anchor];
    return;
  }
  if (!model.anchor.empty()) names[model.anchor] = &model;
  for (std::size_t i = 0; i < model.size(); ++i) bind(model.child(i), names, targets);
}

Targets targets_of(const Model& root) {
  std::map<std::string, const Model*> names;
  Targets targets;
  bind(root, names, targets);
  return targets;
}

const Model& resolved(const Model& model, const Targets& targets) {
  return model.kind == Kind::kAlias ? *targets.at(&model) : model;
}

bool reads_as(const Model& written, const NewNode& value, const Targets& targets) {
  const Model& model = resolved(written, targets);
  if (model.kind != value.kind || model.tag != value.tag || model.value != value.value)
    return false;
  if (model.kind == Kind::kScalar && plain_has_type(model.value) && model.text != value.text) {
    return false;
  }
  const std::size_t size = std::max(value.items.size(), value.entries.size());
  if (model.size() != size) return false;
  for (std::size_t i = 0; i < size; ++i) {
    const bool mapping = model.kind == Kind::kMapping;
    if (mapping && model.entries[i].first != value.entries[i].first) return false;
    if (!reads_as(model.child(i), mapping ? value.entries[i].second : value.items[i], targets)) {
      return false;
    }
  }
  return true;
}

std::string to_text(const NewNode& value) {
  std::string text = value.tag + (value.tag.empty() ? "" : " ");
  if (value.kind == Kind::kNull) return text + "null";
  if (value.kind == Kind::kScalar)
    return text + (value.text ? quote_double(value.value) : value.value);
  text += value.kind == Kind::kMapping ? "{" : "[";
  for (const NewNode& item : value.items) text += to_text(item) + ", ";
  for (const auto& [key, each] : value.entries) text += key + ": " + to_text(each) + ", ";
  return text + (value.kind == Kind::kMapping ? "}" : "]");
}

Step step_to(const Model& model, std::size_t i) {
  if (model.kind == Kind::kMapping) return model.entries[i].first;
  return i;
}

// The nodes along the path as far as they exist, root first; aliases are not followed.
std::vector<Model*> walk(Model& root, const Path& path) {
  std::vector<Model*> nodes{&root};
  for (const Step& step : path) {
    Model& node = *nodes.back();
    std::size_t i = 0;
    while (i < node.size() && step_to(node, i) != step) ++i;
    if (i == node.size()) break;
    nodes.push_back(&node.child(i));
  }
  return nodes;
}

bool contains(const Model& outer, const Model* inner) {
  if (&outer == inner) return true;
  for (std::size_t i = 0; i < outer.size(); ++i) {
    if (contains(outer.child(i), inner)) return true;
  }
  return false;
}

bool is_shared(const std::vector<Model*>& nodes, const Targets& targets) {
  return std::ranges::any_of(targets, [&](const auto& use) {
    return std::ranges::find(nodes, use.second) != nodes.end();
  });
}

// An alias elsewhere needs the node or something in it.
bool is_needed(const Model& node, const Targets& targets) {
  return std::ranges::any_of(targets, [&](const auto& use) {
    return contains(node, use.second) && !contains(node, use.first);
  });
}

Model model_of(const NewNode& node) {
  Model model;
  model.kind = node.kind;
  model.tag = node.tag;
  model.value = node.value;
  model.text = node.text;
  model.set = true;
  for (const NewNode& item : node.items) model.items.push_back(model_of(item));
  for (const auto& [key, value] : node.entries) model.entries.emplace_back(key, model_of(value));
  return model;
}

const Model* merged(const Model& mapping, const std::string& key, const Targets& targets) {
  for (const auto& [name, value] : mapping.entries) {
    if (name != "<<" || value.kind != Kind::kAlias) continue;
    const Model& from = resolved(value, targets);
    for (const auto& [each, found] : from.entries) {
      if (each == key) return &found;
    }
    if (const Model* const found = merged(from, key, targets)) return found;
  }
  return nullptr;
}

Verdict expect_set(Model& root, const Edit& edit) {
  const Targets targets = targets_of(root);
  const auto nodes = walk(root, edit.path);
  Model& last = *nodes.back();
  const std::size_t depth = nodes.size() - 1;
  if (depth == edit.path.size()) {
    if (reads_as(last, edit.value, targets)) return Verdict::kUnchanged;
    if (is_shared(nodes, targets)) return Verdict::kRefused;
    const bool needed = is_needed(last, targets);
    const std::string anchor = last.kind == Kind::kAlias ? "" : last.anchor;
    last = model_of(edit.value);
    last.anchor = anchor;
    return needed ? Verdict::kEither : Verdict::kAllowed;
  }
  const bool by_key = std::holds_alternative<std::string>(edit.path[depth]);
  const bool fits = last.kind == Kind::kNull || (last.kind == Kind::kMapping && by_key) ||
                    (last.kind == Kind::kSequence && !by_key);
  if (!fits) return Verdict::kRefused;
  if (last.kind == Kind::kMapping) {
    const Model* const found = merged(last, std::get<std::string>(edit.path[depth]), targets);
    const bool final_step = depth + 1 == edit.path.size();
    if (found != nullptr && !final_step) return Verdict::kRefused;
    if (found != nullptr && reads_as(*found, edit.value, targets)) return Verdict::kUnchanged;
  }
  if (is_shared(nodes, targets)) return Verdict::kRefused;
  Model* at = &last;
  for (std::size_t i = depth; i < edit.path.size(); ++i) {
    if (const auto* key = std::get_if<std::string>(&edit.path[i])) {
      at->kind = Kind::kMapping;
      at->entries.emplace_back(*key, Model());
    } else {
      at->kind = Kind::kSequence;
      at->items.emplace_back();
    }
    at = &at->child(at->size() - 1);
  }
  *at = model_of(edit.value);
  return Verdict::kAllowed;
}

Verdict expect_remove(Model& root, const Edit& edit) {
  const Targets targets = targets_of(root);
  auto nodes = walk(root, edit.path);
  while (nodes.size() > 2 && nodes.size() - 2 > edit.keep && nodes[nodes.size() - 2]->size() == 1) {
    nodes.pop_back();
  }
  const Model* const gone = nodes.back();
  if (is_needed(*gone, targets)) return Verdict::kRefused;
  nodes.pop_back();
  if (is_shared(nodes, targets)) return Verdict::kRefused;
  Model& parent = *nodes.back();
  std::size_t i = 0;
  while (&parent.child(i) != gone) ++i;
  if (parent.kind == Kind::kMapping) {
    parent.entries.erase(parent.entries.begin() + static_cast<std::ptrdiff_t>(i));
  } else {
    parent.items.erase(parent.items.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return Verdict::kAllowed;
}

Verdict expect_tag(Model& root, const Edit& edit) {
  const auto nodes = walk(root, edit.path);
  Model& last = *nodes.back();
  if (last.tag == edit.value.tag) return Verdict::kUnchanged;
  if (last.kind == Kind::kAlias || is_shared(nodes, targets_of(root))) return Verdict::kRefused;
  last.tag = edit.value.tag;
  return Verdict::kAllowed;
}

}  // namespace

std::string to_text(const Edit& edit) {
  const char* const names[] = {"set", "remove", "set_tag"};
  return fmt::format(
      "{} {} {}", names[static_cast<int>(edit.op)], to_string(edit.path),
      edit.op == Op::kRemove ? fmt::format("keep {}", edit.keep) : to_text(edit.value));
}

Edit random_edit(Random& random, const Model& root) {
  Edit edit;
  const Model* model = &root;
  while (model->size() > 0 && (edit.path.empty() || random.chance(70))) {
    const std::size_t i = random.below(model->size());
    edit.path.push_back(step_to(*model, i));
    model = &model->child(i);
  }
  const std::size_t dice = random.below(100);
  if (dice < 25 && !edit.path.empty()) {
    edit.op = Op::kRemove;
    edit.keep = random.below(edit.path.size() + 1);
    return edit;
  }
  if (dice < 35) {
    edit.op = Op::kTag;
    edit.value.tag = random.chance(30) ? "" : "!locked";
    return edit;
  }
  edit.value = new_node(random_value(random, random.chance(70) ? 0 : 2));
  if (random.chance(15)) edit.value.tag = "!locked";
  // Something new, perhaps several levels of it.
  const bool sequence = model->kind == Kind::kSequence;
  const bool extend = sequence || model->kind == Kind::kMapping || model->kind == Kind::kNull;
  if (extend && random.chance(60)) {
    if (sequence) {
      edit.path.emplace_back(model->items.size());
    } else {
      edit.path.emplace_back(random_key(random));
    }
    while (random.chance(30)) {
      if (random.chance(80)) {
        edit.path.emplace_back(random_key(random));
      } else {
        edit.path.emplace_back(std::size_t{0});
      }
    }
  }
  return edit;
}

Result<std::string> apply_to(const Document& document, const Edit& edit) {
  const auto text = [](const Document& edited) { return edited.text(); };
  switch (edit.op) {
    case Op::kSet:
      return set(document, edit.path, edit.value).map(text);
    case Op::kRemove:
      return remove(document, edit.path, edit.keep).map(text);
    case Op::kTag:
      return set_tag(document, edit.path, edit.value.tag).map(text);
  }
  return std::string();
}

Verdict expect(Model& root, const Edit& edit) {
  if (edit.op == Op::kSet) return expect_set(root, edit);
  return edit.op == Op::kRemove ? expect_remove(root, edit) : expect_tag(root, edit);
}

std::string difference(const Document& document, const Model& model, const Node& written,
                       bool loose) {
  loose = loose || model.set;
  const Node& node = loose ? document.resolve(written) : written;
  const auto at = [&](const char* what) {
    return fmt::format("{}:{}: {}", node.mark.line, node.mark.column, what);
  };
  if (model.kind != node.kind) return at("kind");
  if (model.tag != node.tag) return at("tag");
  if (!loose && model.anchor != node.anchor) return at("anchor");
  if (model.kind == Kind::kScalar) {
    if (model.value != node.value) return at("value");
    if (plain_has_type(model.value) && model.text != node.quoted) return at("type");
  }
  const std::size_t size = node.kind == Kind::kMapping ? node.entries.size() : node.items.size();
  if (model.size() != size) return at("size");
  for (std::size_t i = 0; i < size; ++i) {
    const bool mapping = model.kind == Kind::kMapping;
    if (mapping && model.entries[i].first != node.entries[i].key.value) return at("key");
    auto found = difference(document, model.child(i),
                            mapping ? node.entries[i].value : node.items[i], loose);
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace kscpush::yaml

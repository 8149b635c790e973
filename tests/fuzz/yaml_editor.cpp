// Input: a first line of bytes that choose the edit, then YAML. Nothing may crash or hang; spans of
// nodes must lie inside each other; and whenever an edit succeeds, its effect is checked here by
// reading the new text with means of its own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"
#include "core/yaml/scalar.hpp"

namespace kscpush::yaml {
namespace {

void require(bool holds, const char* what, const std::string& text, const std::string& after) {
  if (holds) return;
  std::cerr << "violated: " << what << "\n-- before:\n" << text << "\n-- after:\n" << after << "\n";
  std::abort();
}

std::size_t size_of(const Node& node) {
  return node.kind == Kind::kMapping ? node.entries.size() : node.items.size();
}
const Node& child_of(const Node& node, std::size_t i) {
  return node.kind == Kind::kMapping ? node.entries[i].value : node.items[i];
}

// Each node within its parent, children in the order of the text.
void check_spans(const std::string& text, const Node& node) {
  require(node.begin <= node.content && node.content <= node.end && node.end <= text.size(),
          "begin <= content <= end", text, "");
  std::size_t at = node.begin;
  const auto next = [&](const Node& child) {
    require(child.begin >= at && child.end <= node.end, "children inside", text, "");
    at = child.end;
    check_spans(text, child);
  };
  for (const Node& item : node.items) next(item);
  for (const Entry& entry : node.entries) {
    next(entry.key);
    next(entry.value);
  }
}

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::size_t below(std::size_t count) {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return byte % count;
  }

 private:
  std::string_view bytes_;
};

NewNode random_value(Bytes& bytes, int depth) {
  static const std::string kValues[] = {"x",    "true", "12", "",    " x",   "a: b", "# c",
                                        "a, b", "'",    "\"", "a\n", "a\nb", "\n",   "-",
                                        "? x",  "null", "ä",  "x:",  "[x]",  "-7",   "a\n\n"};
  NewNode value;
  if (bytes.below(6) == 0) value.tag = "!locked";
  const std::size_t kind = bytes.below(depth > 0 ? 6 : 4);
  if (kind == 0) {
    value.kind = Kind::kNull;
  } else if (kind < 4) {
    value.text = kind != 1;
    value.value = kValues[bytes.below(std::size(kValues))];
  } else if (kind == 4) {
    value.kind = Kind::kSequence;
    for (std::size_t n = bytes.below(4); n > 0; --n) value.items.push_back(random_value(bytes, 0));
  } else {
    value.kind = Kind::kMapping;
    for (std::size_t n = bytes.below(4); n > 0; --n) {
      value.entries.emplace_back("k" + std::to_string(n), random_value(bytes, depth - 1));
    }
  }
  return value;
}

Path random_path(Bytes& bytes, const Node& root) {
  Path path;
  const Node* node = &root;
  while (size_of(*node) > 0 && path.size() < 8) {
    const std::size_t i = bytes.below(std::min<std::size_t>(size_of(*node) + 1, 255));
    if (i == size_of(*node)) break;
    if (node->kind == Kind::kMapping && node->entries[i].key.kind != Kind::kScalar) break;
    if (node->kind == Kind::kMapping) {
      path.emplace_back(node->entries[i].key.value);
    } else {
      path.emplace_back(i);
    }
    node = &child_of(*node, i);
  }
  for (std::size_t n = bytes.below(3); n > 0; --n) {
    if (bytes.below(4) == 0) {
      path.emplace_back(node->items.size());
    } else {
      path.emplace_back(std::string("n") + std::to_string(n));
    }
  }
  return path;
}

const Node* find(const Node& root, const Path& path) {
  const Node* node = &root;
  for (const Step& step : path) {
    if (const auto* index = std::get_if<std::size_t>(&step)) {
      if (node->kind != Kind::kSequence || *index >= node->items.size()) return nullptr;
      node = &node->items[*index];
    } else {
      node = node->find(std::get<std::string>(step));
      if (node == nullptr) return nullptr;
    }
  }
  return node;
}

bool is_value(const Document& document, const Node& written, const NewNode& value) {
  const Node& node = document.resolve(written);
  if (node.kind != value.kind || node.tag != value.tag) return false;
  if (node.kind == Kind::kScalar) {
    const bool typed = plain_has_type(value.value) && !is_null_word(value.value);
    return node.value == value.value && (!typed || node.quoted == value.text);
  }
  if (size_of(node) != std::max(value.items.size(), value.entries.size())) return false;
  for (std::size_t i = 0; i < size_of(node); ++i) {
    if (node.kind == Kind::kSequence && !is_value(document, node.items[i], value.items[i])) {
      return false;
    }
    if (node.kind == Kind::kMapping &&
        (node.entries[i].key.value != value.entries[i].first ||
         !is_value(document, node.entries[i].value, value.entries[i].second))) {
      return false;
    }
  }
  return true;
}

// Everything that is not on the way to PATH reads as before; DEPTH steps of it are taken.
bool same_beside(const Node& a, const Node& b, const Path& path, std::size_t depth) {
  if (depth == path.size()) return true;
  // Where the way ends, containers are made or, when empty, removed.
  if (a.kind != b.kind || size_of(a) == 0) return true;
  std::size_t i = 0;
  std::size_t j = 0;
  const auto on_the_way = [&](const Node& node, std::size_t at) {
    if (const auto* index = std::get_if<std::size_t>(&path[depth])) {
      return node.kind == Kind::kSequence && at == *index;
    }
    const Node* const found =
        node.kind == Kind::kMapping ? node.find(std::get<std::string>(path[depth])) : nullptr;
    return found == &child_of(node, at);
  };
  const bool shorter = size_of(b) < size_of(a);
  while (i < size_of(a)) {
    if (on_the_way(a, i)) {
      if (!shorter &&
          (j >= size_of(b) || !same_beside(child_of(a, i), child_of(b, j), path, depth + 1))) {
        return false;
      }
      ++i;
      if (!shorter) ++j;
      continue;
    }
    if (j >= size_of(b) || !same_data(child_of(a, i), child_of(b, j))) return false;
    if (a.kind == Kind::kMapping && !same_data(a.entries[i].key, b.entries[j].key)) return false;
    ++i;
    ++j;
  }
  return size_of(b) - j <= 1;
}

// The values of all aliases, in the order of the text.
void alias_values(const Document& document, const Node& node, std::vector<const Node*>& values) {
  if (node.kind == Kind::kAlias) values.push_back(&document.resolve(node));
  for (const Node& item : node.items) alias_values(document, item, values);
  for (const Entry& entry : node.entries) {
    alias_values(document, entry.key, values);
    alias_values(document, entry.value, values);
  }
}

bool same_alias_values(const Document& a, const Document& b) {
  std::vector<const Node*> before;
  std::vector<const Node*> after;
  alias_values(a, a.root(), before);
  alias_values(b, b.root(), after);
  // Some may have gone with what was replaced; those that are left keep order and value.
  auto at = before.begin();
  for (const Node* value : after) {
    at = std::find_if(at, before.end(), [&](const Node* old) { return same_data(*old, *value); });
    if (at == before.end()) return false;
    ++at;
  }
  return true;
}

void check_edit(const Document& document, Bytes& bytes) {
  const Path path = random_path(bytes, document.root());
  const std::size_t op = bytes.below(4);
  NewNode value;
  Edited edited;
  if (op == 0) {
    edited = remove(document, path, bytes.below(path.size() + 1));
  } else if (op == 1) {
    value.tag = bytes.below(3) == 0 ? "" : "!locked";
    edited = set_tag(document, path, value.tag);
  } else {
    value = random_value(bytes, 2);
    edited = set(document, path, value);
  }
  if (!edited) {
    require(!edited.error().message.empty(), "an error says what", document.text(), "");
    return;
  }
  const std::string& text = edited->text();
  // Parsed once more: the document must be what its text says.
  const auto after = Document::parse(text, "after");
  require(after.has_value(), "the result parses", document.text(), text);
  check_spans(text, after->root());
  if (text == document.text()) return;
  require(same_beside(document.root(), after->root(), path, 0), "nothing else changes",
          document.text(), text);
  require(same_alias_values(document, *after), "aliases keep their values", document.text(), text);
  const Node* const node = find(after->root(), path);
  if (op == 0) {
    const Node* const old = find(document.root(), path);
    // Behind what goes from a list, the next item takes its place.
    const bool by_keys = std::ranges::none_of(
        path, [](const Step& step) { return std::holds_alternative<std::size_t>(step); });
    require(node == nullptr || !by_keys, "removed", document.text(), text);
    require(old != nullptr, "there was something to remove", document.text(), text);
    return;
  }
  require(node != nullptr, "set", document.text(), text);
  if (op == 1) {
    require(node->tag == value.tag, "tagged", document.text(), text);
  } else {
    require(is_value(*after, *node, value), "the value is set", document.text(), text);
  }
}

}  // namespace
}  // namespace kscpush::yaml

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kscpush::yaml;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t split = std::min(input.find('\n'), input.size());
  const auto document =
      Document::parse(std::string(input.substr(std::min(split + 1, size))), "fuzz");
  if (!document) return 0;
  check_spans(document->text(), document->root());
  require(same_data(document->root(), document->root()), "same as itself", document->text(), "");
  static_cast<void>(document->entries(document->root()));
  Bytes bytes(input.substr(0, split));
  check_edit(*document, bytes);
  return 0;
}

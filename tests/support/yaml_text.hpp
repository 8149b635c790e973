// Short notations for tests of YAML edits.
#pragma once

#include <string>
#include <string_view>

#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

// "a.b[0].c"; keys without '.' and '['.
inline Path path_of(std::string_view text) {
  Path path;
  while (!text.empty()) {
    if (text[0] == '[') {
      const std::size_t end = text.find(']');
      path.emplace_back(static_cast<std::size_t>(std::stoul(std::string(text.substr(1, end - 1)))));
      text.remove_prefix(end + 1);
    } else {
      const std::size_t end = std::min(text.find_first_of(".["), text.size());
      path.emplace_back(std::string(text.substr(0, end)));
      text.remove_prefix(end);
    }
    if (text.starts_with('.')) text.remove_prefix(1);
  }
  return path;
}

// The same data as a value to write; what is in quotes is a string. No aliases.
inline NewNode new_node(const Node& node) {
  NewNode result;
  result.kind = node.kind;
  result.tag = node.tag;
  result.value = node.value;
  result.text = node.quoted;
  for (const Node& item : node.items) result.items.push_back(new_node(item));
  for (const Entry& entry : node.entries) {
    result.entries.emplace_back(entry.key.value, new_node(entry.value));
  }
  return result;
}

// A value in YAML notation: "13295", "'a string'", "{port: 1}", "!locked true".
inline NewNode value_of(const std::string& yaml) {
  return new_node(Document::parse(yaml, "value").value().root());
}

}  // namespace kscpush::yaml

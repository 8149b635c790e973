// What a random text of YAML says, by itself: models, and random ones.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

struct ModelEntry;

// What a text should read as.
struct Model {
  Kind kind = Kind::kNull;
  std::string tag;
  std::string anchor;  // of an alias: the name that it refers to
  std::string value;
  bool text = false;  // the scalar is a string; otherwise a plain one that has a type
  bool set = false;   // put there by set(): the anchors in it may be those of before, or none
  std::vector<Model> items;
  std::vector<ModelEntry> entries;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] Model& child(std::size_t i);
  [[nodiscard]] const Model& child(std::size_t i) const;
};

struct ModelEntry {
  ModelEntry(std::string key, Model value) : first(std::move(key)), second(std::move(value)) {}
  std::string first;
  Model second;
};

inline std::size_t Model::size() const {
  return kind == Kind::kMapping ? entries.size() : items.size();
}
inline Model& Model::child(std::size_t i) {
  return kind == Kind::kMapping ? entries[i].second : items[i];
}
inline const Model& Model::child(std::size_t i) const {
  return kind == Kind::kMapping ? entries[i].second : items[i];
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  // 0 to COUNT - 1. Not std::uniform_int_distribution, which differs between libraries.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::mt19937_64 engine_;
};

[[nodiscard]] Model random_scalar(Random& random);
// Of DEPTH levels at most; without anchors and aliases.
[[nodiscard]] Model random_value(Random& random, int depth);
[[nodiscard]] std::string random_key(Random& random);
[[nodiscard]] NewNode new_node(const Model& model);

}  // namespace kscpush::yaml

#include "tests/property/yaml_model.hpp"

#include <fmt/format.h>

namespace kscpush::yaml {
namespace {

const std::vector<std::string> kTexts{"x",
                                      "two words",
                                      "and three words",
                                      "dp-berlin-1",
                                      "Managed devices/Berlin",
                                      "it's",
                                      "say \"hi\"",
                                      "a: b",
                                      "x #1",
                                      "#x",
                                      "- x",
                                      "-x",
                                      "?x",
                                      "a, b",
                                      "[x]",
                                      "{x}",
                                      "*x",
                                      "&x",
                                      "!x",
                                      "%x",
                                      "@x",
                                      "",
                                      " x",
                                      "x ",
                                      "ä ö ü",
                                      "日本",
                                      "a\\b",
                                      "a\tb",
                                      "x:",
                                      ":x",
                                      "a:b",
                                      "http://x:1/?q",
                                      "true",
                                      "no",
                                      "12",
                                      "0x1F",
                                      "1.5e3",
                                      "null",
                                      "~",
                                      "2026-03-01",
                                      "<<",
                                      "=",
                                      "---",
                                      "...",
                                      "a\nb",
                                      "a\nb\n",
                                      "a\n\nb\n",
                                      "  a\nb",
                                      "a\n",
                                      "\n",
                                      "a\n  b\nc",
                                      "a b\nc d",
                                      "a\n\n",
                                      "x\x01y",
                                      "a?b",
                                      "x y  z",
                                      "'",
                                      "\"",
                                      "a#b",
                                      "y"};
const std::vector<std::string> kTyped{"1",  "13295",      "true", "false", "0.5",
                                      "no", "2026-03-01", "0x1F", "-7",    ".inf"};
const std::vector<std::string> kKeys{"name",   "address",  "port", "push_server", "scope",
                                     "groups", "settings", "tls",  "enabled",     "a",
                                     "b",      "c",        "d",    "e",           "f",
                                     "x1",     "x2",       "x3",   "x4",          "x5"};
const std::vector<std::string> kOddKeys{"a b", "no", "12",   "ä",  "a:b", "it's", "- k",  "a, b",
                                        "[k]", "#k", "null", "k ", "",    "?",    "k: v", "a\"b"};

}  // namespace

Model random_scalar(Random& random) {
  Model model;
  if (random.chance(10)) return model;
  model.kind = Kind::kScalar;
  model.text = random.chance(65);
  model.value = random.pick(model.text ? kTexts : kTyped);
  if (model.text && random.chance(50)) model.value = kTexts[random.below(5)];
  return model;
}

std::string random_key(Random& random) {
  return random.pick(random.chance(95) ? kKeys : kOddKeys);
}

Model random_value(Random& random, int depth) {
  if (depth == 0 || random.chance(60)) return random_scalar(random);
  Model model;
  model.kind = random.chance(60) ? Kind::kMapping : Kind::kSequence;
  const std::size_t count = random.below(4);
  for (std::size_t i = 0; i < count; ++i) {
    if (model.kind == Kind::kSequence) {
      model.items.push_back(random_value(random, depth - 1));
    } else {
      const std::string key = fmt::format("{}{}", random_key(random), i);
      model.entries.emplace_back(key, random_value(random, depth - 1));
    }
  }
  if (random.chance(10)) model.tag = "!locked";
  return model;
}

NewNode new_node(const Model& model) {
  NewNode node;
  node.kind = model.kind;
  node.tag = model.tag;
  node.value = model.value;
  node.text = model.text;
  for (const Model& item : model.items) node.items.push_back(new_node(item));
  for (const auto& [key, value] : model.entries) node.entries.emplace_back(key, new_node(value));
  return node;
}

}  // namespace kscpush::yaml

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/site/parts.hpp"

namespace kscpush::site {
namespace {

using yaml::Node;
using Shape = SettingValue::Shape;

// Settings nest three deep, lists within them three more. The bounds are for files in which aliases
// of aliases multiply.
constexpr int kDeepestSetting = 16;
constexpr int kDeepestList = 4;
constexpr std::size_t kMostSettings = 10'000;  // of one policy
constexpr std::size_t kMostItems = 10'000;     // of its lists, all levels together

Shape shape_of(const Node& node) {
  switch (node.kind) {
    case yaml::Kind::kScalar:
      return Shape::kScalar;
    case yaml::Kind::kSequence:
      return Shape::kList;
    case yaml::Kind::kMapping:
      return Shape::kMapping;
    case yaml::Kind::kNull:
    case yaml::Kind::kAlias:
      break;
  }
  return Shape::kNothing;
}

// Reads what is in a list. One error ends it: a list that is too large would only repeat it.
class ListReader {
 public:
  // COUNT: items of the policy so far.
  ListReader(Reader& reader, std::size_t& count) : reader_(reader), count_(count) {}

  void read_children(const Node& node, SettingValue& into, int depth) {
    for (const Node& item : node.items) into.items.push_back(read(item, "", depth));
    for (const yaml::Entry* const entry : reader_.entries(node)) {
      into.items.push_back(read(entry->value, entry->key.value, depth));
    }
  }

 private:
  SettingValue read(const Node& written, const std::string& key, int depth) {
    const Node& node = reader_.resolve(written);
    SettingValue value{shape_of(node), node.value, node.quoted, key, {}, reader_.origin(written)};
    if (failed_) return value;
    if (!node.tag.empty()) {
      fail(written, fmt::format("the tag '{}' cannot stand within a list", node.tag),
           "a list is locked as a whole: write !locked in front of it");
    } else if (++count_ > kMostItems) {
      fail(written, fmt::format("more than {} values in the lists of one policy", kMostItems), "");
    } else if (depth == kDeepestList) {
      fail(written, "a list is nested too deeply", "");
    } else {
      read_children(node, value, depth + 1);
    }
    return value;
  }

  void fail(const Node& node, std::string message, std::string hint) {
    reader_.error(node, std::move(message), std::move(hint));
    failed_ = true;
  }

  Reader& reader_;
  std::size_t& count_;
  bool failed_ = false;
};

// Plain scalars that are booleans or whole numbers to YAML are so here; all else is text.
nlohmann::json to_json(const SettingValue& value) {
  switch (value.shape) {
    case Shape::kNothing:
      return nullptr;
    case Shape::kScalar: {
      if (value.quoted) return value.value;
      if (const auto truth = parse_bool(value.value)) return *truth;
      const bool digits = !value.value.empty() && value.value.size() < 10 &&
                          value.value.find_first_not_of("0123456789") == std::string::npos;
      if (digits) return std::stoul(value.value);
      return value.value;
    }
    case Shape::kList: {
      auto list = nlohmann::json::array();
      for (const SettingValue& item : value.items) list.push_back(to_json(item));
      return list;
    }
    case Shape::kMapping: {
      auto object = nlohmann::json::object();
      for (const SettingValue& field : value.items) object[field.key] = to_json(field);
      return object;
    }
  }
  return nullptr;
}

void read_leaf(Reader& reader, const Node& written, const Node& node, const std::string& path,
               std::vector<Setting>& settings, std::size_t& items) {
  if (!node.tag.empty() && node.tag != "!locked") {
    reader.error(written, fmt::format("unknown tag '{}' on a setting", node.tag),
                 "the only tag of a setting is !locked; without it the value is open");
  }
  Setting setting{{shape_of(node), node.value, node.quoted, "", {}, reader.origin(written)},
                  path,
                  node.tag == "!locked"};
  if (setting.shape == Shape::kList) {
    ListReader(reader, items).read_children(node, setting, 0);
    setting.value = to_json(setting).dump();
  }
  settings.push_back(std::move(setting));
}

void read_level(Reader& reader, const Node& written, const std::string& prefix,
                std::vector<Setting>& settings, std::size_t& items, int depth) {
  const Node& node = reader.resolve(written);
  if (node.kind != yaml::Kind::kMapping) {
    if (!prefix.empty()) {
      read_leaf(reader, written, node, prefix, settings, items);
    } else if (node.kind != yaml::Kind::kNull) {
      reader.error(written, "settings must be a mapping");
    }
    return;
  }
  if (depth == kDeepestSetting) {
    reader.error(written, "settings are nested too deeply");
    return;
  }
  for (const yaml::Entry* const entry : reader.entries(node)) {
    read_level(reader, entry->value,
               prefix.empty() ? entry->key.value : prefix + "." + entry->key.value, settings, items,
               depth + 1);
    if (settings.size() > kMostSettings) break;
  }
  if (depth == 0 && settings.size() > kMostSettings) {
    reader.error(written, fmt::format("more than {} settings in one policy", kMostSettings));
  }
}

}  // namespace

void read_settings(Reader& reader, const Node& node, std::vector<Setting>& settings) {
  std::size_t items = 0;
  read_level(reader, node, "", settings, items, 0);
}

}  // namespace kscpush::site

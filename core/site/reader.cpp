#include "core/site/reader.hpp"

#include "core/numbers.hpp"

namespace kscpush::site {
namespace {

std::string_view describe(const yaml::Node& node) {
  switch (node.kind) {
    case yaml::Kind::kNull:
      return "nothing";
    case yaml::Kind::kScalar:
      return "a single value";
    case yaml::Kind::kSequence:
      return "a list";
    case yaml::Kind::kMapping:
      return "a mapping";
    case yaml::Kind::kAlias:
      return "an alias";
  }
  return "";
}

std::string shown(const std::string& value) {
  return value.substr(0, 80);
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

Origin Reader::origin(const yaml::Node& node) const {
  return Origin{document_.name(), node.mark.line, node.mark.column};
}

std::vector<const yaml::Entry*> Reader::entries(const yaml::Node& mapping) const {
  return document_.entries(resolve(mapping));
}

const yaml::Node& Reader::resolve(const yaml::Node& node) const {
  return document_.resolve(node);
}

void Reader::error(const Origin& origin, std::string message, std::string hint) {
  diagnostics_.push_back({Severity::kError, origin, std::move(message), std::move(hint)});
}

void Reader::error(const yaml::Node& node, std::string message, std::string hint) {
  error(origin(node), std::move(message), std::move(hint));
}

bool Reader::mapping(const yaml::Node& written, std::string_view what,
                     std::initializer_list<Field> fields) {
  const yaml::Node& node = resolve(written);
  if (node.kind == yaml::Kind::kNull) return true;  // a section whose keys are all commented out
  if (node.kind != yaml::Kind::kMapping) {
    error(written, fmt::format("{} must be a mapping, not {}", what, describe(node)));
    return false;
  }
  for (const yaml::Entry* const found : document_.entries(node)) {
    const yaml::Entry& entry = *found;
    const Field* known = nullptr;
    for (const Field& field : fields) {
      if (field.first == entry.key.value) known = &field;
    }
    if (known != nullptr) {
      known->second(entry.value);
      continue;
    }
    std::vector<std::string> names;
    for (const Field& field : fields) names.emplace_back(field.first);
    error(entry.key,
          fmt::format("unknown key '{}' in {}{}", shown(entry.key.value), what,
                      suggestion(entry.key.value, names)),
          fmt::format("known here: {}", fmt::join(names, ", ")));
  }
  return true;
}

void Reader::sequence(const yaml::Node& written, std::string_view what,
                      const std::function<void(const yaml::Node&, std::size_t)>& item) {
  const yaml::Node& node = resolve(written);
  if (node.kind == yaml::Kind::kNull) return;
  if (node.kind != yaml::Kind::kSequence) {
    error(written, fmt::format("{} must be a list, not {}", what, describe(node)));
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) item(node.items[i], i);
}

const yaml::Node* Reader::scalar(const yaml::Node& written, std::string_view what,
                                 std::string_view type) {
  const yaml::Node& node = resolve(written);
  if (node.kind == yaml::Kind::kScalar) return &node;
  error(written, fmt::format("{} must be {}, not {}", what, type, describe(node)));
  return nullptr;
}

void Reader::read(const yaml::Node& written, std::string_view what, std::string& target) {
  if (const yaml::Node* node = scalar(written, what, "a text")) target = node->value;
}

void Reader::read(const yaml::Node& written, std::string_view what, bool& target) {
  const yaml::Node* node = scalar(written, what, "true or false");
  if (node == nullptr) return;
  const auto value = node->quoted ? std::nullopt : parse_bool(node->value);
  if (value) {
    target = *value;
  } else {
    error(written, fmt::format("{} must be true or false, not '{}'", what, shown(node->value)));
  }
}

void Reader::read(const yaml::Node& written, std::string_view what, Port& target) {
  const yaml::Node* node = scalar(written, what, "a port");
  if (node == nullptr) return;
  auto port = Port::parse(node->value);
  if (port) {
    target = *port;
  } else {
    error(written, fmt::format("{}: {}", what, port.error().message), port.error().hint);
  }
}

void Reader::read(const yaml::Node& written, std::string_view what, std::uint32_t& target,
                  std::uint32_t least, std::uint32_t most) {
  const yaml::Node* node = scalar(written, what, "a number");
  if (node == nullptr) return;
  const std::string& text = node->value;
  const auto value = to_number<std::uint32_t>(text);
  if (value && *value >= least && *value <= most) {
    target = *value;
  } else {
    error(written, fmt::format("{} must be a number from {} to {}, not '{}'", what, least, most,
                               shown(text)));
  }
}

}  // namespace kscpush::site

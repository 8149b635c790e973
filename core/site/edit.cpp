#include "core/site/edit.hpp"

#include "core/yaml/editor.hpp"

namespace kscpush::site {
namespace {

// Applies edits one after the other: each sees the text that the one before it left.
class Edits {
 public:
  explicit Edits(const yaml::Document& document) : document_(document) {}

  void set(const yaml::Path& path, std::string value, bool text) {
    if (error_) return;
    yaml::NewNode node;
    node.value = std::move(value);
    node.text = text;
    auto edited = yaml::set(document_, path, node);
    if (!edited) {
      error_ = std::move(edited.error());
      return;
    }
    auto parsed = yaml::Document::parse(std::move(*edited), document_.name());
    if (parsed) {
      document_ = std::move(*parsed);
    } else {
      error_ = std::move(parsed.error());
    }
  }

  [[nodiscard]] Result<std::string> text() const {
    if (error_) return fail(*error_);
    return document_.text();
  }

 private:
  yaml::Document document_;
  std::optional<Error> error_;
};

}  // namespace

Result<std::string> change(const yaml::Document& document, const DistributionPoint& dp,
                           const DistributionPointChange& change) {
  const yaml::Path base{"distribution_points", dp.index};
  const auto at = [&](std::initializer_list<const char*> keys) {
    yaml::Path path = base;
    for (const char* key : keys) path.emplace_back(std::string(key));
    return path;
  };
  Edits edits(document);
  if (change.address) edits.set(at({"address"}), *change.address, true);
  if (change.enabled) {
    edits.set(at({"push_server", "enabled"}), *change.enabled ? "true" : "false", false);
  }
  if (change.port) {
    edits.set(at({"push_server", "port"}), std::to_string(change.port->value()), false);
  }
  if (change.max_connections) {
    edits.set(at({"push_server", "max_connections"}), std::to_string(*change.max_connections),
              false);
  }
  return edits.text();
}

}  // namespace kscpush::site

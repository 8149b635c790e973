// Reads typed values out of YAML nodes and collects what is wrong with them, each at its place.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/diagnostic.hpp"
#include "core/ids.hpp"
#include "core/yaml/document.hpp"

namespace kscpush::site {

class Reader {
 public:
  using Field = std::pair<std::string_view, std::function<void(const yaml::Node&)>>;

  Reader(const yaml::Document& document, Diagnostics& diagnostics)
      : document_(document), diagnostics_(diagnostics) {}

  // Calls the function of each key that is there. Unknown keys are errors with a "did you mean";
  // WHAT names the mapping in messages ("push_server"). Nothing at all, or ~, reads as {}. False
  // if the node is neither.
  bool mapping(const yaml::Node& node, std::string_view what, std::initializer_list<Field> fields);
  void sequence(const yaml::Node& node, std::string_view what,
                const std::function<void(const yaml::Node&, std::size_t)>& item);

  // Each leaves the target alone and reports when the node does not hold such a value.
  void read(const yaml::Node& node, std::string_view what, std::string& target);
  void read(const yaml::Node& node, std::string_view what, bool& target);
  void read(const yaml::Node& node, std::string_view what, Port& target);
  void read(const yaml::Node& node, std::string_view what, std::uint32_t& target,
            std::uint32_t least, std::uint32_t most);

  void error(const Origin& origin, std::string message, std::string hint = "");
  void error(const yaml::Node& node, std::string message, std::string hint = "");
  [[nodiscard]] Origin origin(const yaml::Node& node) const;
  [[nodiscard]] const yaml::Node& resolve(const yaml::Node& node) const;
  // Of a mapping, aliases and merge keys resolved.
  [[nodiscard]] std::vector<const yaml::Entry*> entries(const yaml::Node& mapping) const;

 private:
  const yaml::Node* scalar(const yaml::Node& node, std::string_view what, std::string_view type);

  const yaml::Document& document_;
  Diagnostics& diagnostics_;
};

// YAML 1.2's booleans, as written plain: true, True, TRUE, false ...
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

}  // namespace kscpush::site

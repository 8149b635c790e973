// What the agent says of itself to who asks on the device: parts, each from the module that knows.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace kscpush::agent {

class StatusBoard {
 public:
  // On the agent's loop, each time somebody asks.
  using Part = std::function<nlohmann::json()>;
  void add(std::string name, Part part) {
    parts_.insert_or_assign(std::move(name), std::move(part));
  }
  [[nodiscard]] nlohmann::json collect() const {
    auto all = nlohmann::json::object();
    for (const auto& [name, part] : parts_) all[name] = part();
    return all;
  }

 private:
  std::map<std::string, Part> parts_;
};

}  // namespace kscpush::agent

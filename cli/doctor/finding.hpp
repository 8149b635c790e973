// What `kscpush doctor` found, one line each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace kscpush::cli {

struct Finding {
  enum class Level : std::uint8_t {
    kOk,
    kWarning,  // works, but will not always
    kError,
  };
  Level level = Level::kOk;
  std::string subject;
  std::string what;
  std::string mend{};  // a command, or what else to do; empty: nothing
};
using Findings = std::vector<Finding>;

[[nodiscard]] std::string_view to_string(Finding::Level level);
// [{"level", "subject", "what", "mend"}]
[[nodiscard]] nlohmann::json to_json(const Findings& findings);

}  // namespace kscpush::cli

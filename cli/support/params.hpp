// --param NAME=VALUE.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/result.hpp"

namespace kscpush::cli {

enum class ParamValues {
  kText,  // the text that they are: a program's arguments
  kJson,  // what is JSON is taken as that, what is not as text
};

// An object. EXAMPLE: for the hint, "reason=update". kUsage.
[[nodiscard]] Result<nlohmann::json> parse_params(const std::vector<std::string>& texts,
                                                  ParamValues values, const char* example);

}  // namespace kscpush::cli

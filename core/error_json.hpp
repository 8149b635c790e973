// Errors as JSON, as they go from one program to another.
#pragma once

#include <nlohmann/json.hpp>

#include "core/result.hpp"

namespace kscpush {

// {"code", "message", "hint", "field"}
[[nodiscard]] nlohmann::json to_json(const Error& error);
// Of an object; a code that is not known is kFailed.
[[nodiscard]] Error error_from_json(const nlohmann::json& object);

}  // namespace kscpush

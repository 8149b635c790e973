// JSON from outside.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace kscpush {

// Nothing of ours is nested so deeply; what is nested a hundred thousand times would take the stack
// of whoever writes it out again.
inline constexpr int kDeepestJson = 64;

// Discarded (is_discarded()): not JSON, or nested more deeply.
[[nodiscard]] nlohmann::json parse_json(std::string_view text);

// Of a member of an object; empty when it is not there, or no text.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* name);

}  // namespace kscpush

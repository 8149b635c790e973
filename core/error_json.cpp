#include "core/error_json.hpp"

#include "core/error_table.hpp"
#include "core/json_text.hpp"

namespace kscpush {

nlohmann::json to_json(const Error& error) {
  return {{"code", error_row(error.code).name},
          {"message", error.message},
          {"hint", error.hint},
          {"field", error.field.empty() ? nlohmann::json() : nlohmann::json(error.field)}};
}

Error error_from_json(const nlohmann::json& object) {
  const auto code = error_code_from_name(text_of(object, "code"));
  return {code.value_or(ErrorCode::kFailed), text_of(object, "message"), text_of(object, "hint"),
          text_of(object, "field")};
}

}  // namespace kscpush

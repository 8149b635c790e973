#include "cli/support/params.hpp"

namespace kscpush::cli {

using nlohmann::json;

Result<json> parse_params(const std::vector<std::string>& texts, ParamValues values,
                          const char* example) {
  json params = json::object();
  for (const std::string& text : texts) {
    const std::size_t mark = text.find('=');
    if (mark == std::string::npos || mark == 0) {
      return fail({ErrorCode::kUsage, fmt::format("--param must be NAME=VALUE, not '{}'", text),
                   fmt::format("for example --param {}", example)});
    }
    const std::string value = text.substr(mark + 1);
    json parsed = values == ParamValues::kText
                      ? json(value)
                      : json::parse(value, nullptr, /*allow_exceptions=*/false);
    params[text.substr(0, mark)] = parsed.is_discarded() ? json(value) : std::move(parsed);
  }
  return params;
}

}  // namespace kscpush::cli

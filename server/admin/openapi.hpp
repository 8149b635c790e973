// The description of the admin API: docs/openapi.json, built into the program.
#pragma once

#include <string_view>

namespace kscpush::server {

[[nodiscard]] std::string_view openapi_document();

}  // namespace kscpush::server

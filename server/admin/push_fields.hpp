// What a request says of a push, whoever it goes to.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "server/admin/http_server.hpp"
#include "server/push_server.hpp"

namespace kscpush::server {

// "kind", "params", "ttl", "collapse_key".
[[nodiscard]] std::vector<std::string> push_fields();
// BODY: of the request. With its Idempotency-Key. kUsage.
[[nodiscard]] Result<PushRequest> read_push(const HttpRequest& http, const nlohmann::json& body);

}  // namespace kscpush::server

// What a request says of a push, whoever it goes to, and of the pace of many.
#pragma once

#include <cstdint>
#include <optional>
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

// "rate", "max_failures", "canary".
[[nodiscard]] const std::vector<std::string>& pace_fields();
struct PaceFields {
  std::optional<double> rate;  // pushes a second
  std::optional<std::int64_t> max_failures;
  std::optional<std::int64_t> canary;

  [[nodiscard]] bool given() const { return rate || max_failures || canary; }
};
// kUsage.
[[nodiscard]] Result<PaceFields> read_pace(const nlohmann::json& body);

}  // namespace kscpush::server

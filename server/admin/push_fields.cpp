#include "server/admin/push_fields.hpp"

#include "server/admin/call.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

// The key of the request's header, if it has one.
Result<std::optional<IdempotencyKey>> read_key(const HttpRequest& request) {
  if (request.idempotency_key.empty()) return std::nullopt;
  auto key = IdempotencyKey::make(request.idempotency_key, fmt::format("{} {}\n{}", request.method,
                                                                       request.path, request.body));
  if (!key) return fail(key.error());
  return std::move(*key);
}

}  // namespace

std::vector<std::string> push_fields() {
  return {"kind", "params", "ttl", "collapse_key"};
}

Result<PushRequest> read_push(const HttpRequest& http, const json& body) {
  const auto kind = text_field(body, "kind");
  if (!kind) return fail(kind.error());
  PushRequest request{.kind = kind->value_or("")};
  if (const auto params = body.find("params"); params != body.end()) {
    if (!params->is_object()) return fail_field("params", "'params' must be an object");
    request.params = params->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  const auto ttl = number_field(body, "ttl");
  if (!ttl) return fail(ttl.error());
  if (ttl->has_value()) request.ttl = std::chrono::seconds(**ttl);
  auto collapse_key = text_field(body, "collapse_key");
  if (!collapse_key) return fail(collapse_key.error());
  request.collapse_key = std::move(*collapse_key);
  auto key = read_key(http);
  if (!key) return fail(key.error());
  request.key = std::move(*key);
  return request;
}

}  // namespace kscpush::server

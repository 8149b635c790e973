#include "server/admin/push_fields.hpp"

#include "server/admin/call.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::int64_t kMostCounted = 10'000'000;

Result<std::optional<std::int64_t>> count_field(const json& body, const char* name) {
  auto number = number_field(body, name);
  if (number && number->has_value() && (**number < 0 || **number > kMostCounted)) {
    return fail_field(name, "'{}' must be from 0 to {}", name, std::int64_t{kMostCounted});
  }
  return number;
}

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

const std::vector<std::string>& pace_fields() {
  static const std::vector<std::string> fields{"rate", "max_failures", "canary"};
  return fields;
}

Result<PaceFields> read_pace(const json& body) {
  PaceFields pace;
  if (const auto rate = body.find("rate"); rate != body.end()) {
    const bool fits = rate->is_number() && rate->get<double>() >= 0.01 &&
                      rate->get<double>() <= Rollouts::kLargestRate;
    if (!fits) {
      return fail_field("rate", "'rate' must be from 0.01 to {} pushes a second",
                        double{Rollouts::kLargestRate});
    }
    pace.rate = rate->get<double>();
  }
  const auto max_failures = count_field(body, "max_failures");
  if (!max_failures) return fail(max_failures.error());
  pace.max_failures = *max_failures;
  const auto canary = count_field(body, "canary");
  if (!canary) return fail(canary.error());
  pace.canary = *canary;
  return pace;
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

#include "server/admin/api.hpp"

#include <algorithm>

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/metrics.hpp"

namespace kscpush::server {

using nlohmann::json;

struct AdminApi::Route {
  std::string_view method;
  std::string_view pattern;  // "{id}" stands for one segment
  Role role;
  void (AdminApi::*handler)(const Call&);
  std::size_t body_bytes = 1 << 20;
};

namespace {

constexpr std::size_t kSiteBytes = 12 << 20;
constexpr std::int64_t kDrainSeconds = 60;
constexpr std::int64_t kLongestDrainSeconds = 86'400;

// The segments' values agree, and {id} takes what stands in its place.
bool matches(std::string_view pattern, std::string_view path, std::string& id) {
  while (!pattern.empty() && !path.empty()) {
    const std::string_view want = pattern.substr(0, pattern.find('/', 1));
    const std::string_view have = path.substr(0, path.find('/', 1));
    if (want == "/{id}") {
      id = have.substr(1);
    } else if (want != have) {
      return false;
    }
    pattern.remove_prefix(want.size());
    path.remove_prefix(have.size());
  }
  return pattern.empty() && path.empty();
}

HttpResponse plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

}  // namespace

const std::vector<AdminApi::Route>& AdminApi::routes() {
  static const std::vector<Route> table{
      {"GET", "/healthz", Role::kNobody, &AdminApi::health},
      {"GET", "/readyz", Role::kNobody, &AdminApi::readiness},
      {"GET", "/metrics", Role::kNobody, &AdminApi::metrics},
      {"GET", "/v1/server", Role::kViewer, &AdminApi::server_status},
      {"POST", "/v1/server/drain", Role::kOperator, &AdminApi::drain},
      {"DELETE", "/v1/server/drain", Role::kOperator, &AdminApi::stop_draining},
      {"GET", "/v1/devices", Role::kViewer, &AdminApi::list_devices},
      {"POST", "/v1/devices", Role::kAdmin, &AdminApi::add_device},
      {"GET", "/v1/devices/{id}", Role::kViewer, &AdminApi::show_device},
      {"PATCH", "/v1/devices/{id}", Role::kAdmin, &AdminApi::change_device},
      {"DELETE", "/v1/devices/{id}", Role::kAdmin, &AdminApi::remove_device},
      {"POST", "/v1/devices/{id}/certificate", Role::kAdmin, &AdminApi::certificate},
      {"POST", "/v1/devices/{id}/token", Role::kAdmin, &AdminApi::token},
      {"POST", "/v1/devices/{id}/ping", Role::kOperator, &AdminApi::ping},
      {"POST", "/v1/ping", Role::kOperator, &AdminApi::ping_all},
      {"POST", "/v1/devices/{id}/pushes", Role::kOperator, &AdminApi::push},
      {"GET", "/v1/compliance", Role::kViewer, &AdminApi::list_compliance},
      {"GET", "/v1/events", Role::kViewer, &AdminApi::events},
      {"GET", "/v1/groups", Role::kViewer, &AdminApi::list_groups},
      {"GET", "/v1/openapi.json", Role::kViewer, &AdminApi::openapi},
      {"POST", "/v1/pushes", Role::kOperator, &AdminApi::push_all},
      {"GET", "/v1/pushes", Role::kViewer, &AdminApi::list_pushes},
      {"GET", "/v1/rollouts", Role::kViewer, &AdminApi::list_rollouts},
      {"GET", "/v1/rollouts/{id}", Role::kViewer, &AdminApi::show_rollout},
      {"DELETE", "/v1/rollouts/{id}", Role::kOperator, &AdminApi::cancel_rollout},
      {"GET", "/v1/pushes/{id}", Role::kViewer, &AdminApi::show_push},
      {"DELETE", "/v1/pushes/{id}", Role::kOperator, &AdminApi::cancel_push},
      {"POST", "/v1/devices/{id}/tunnels", Role::kOperator, &AdminApi::open_tunnel},
      {"GET", "/v1/tunnels", Role::kViewer, &AdminApi::list_tunnels},
      {"GET", "/v1/tunnels/{id}", Role::kViewer, &AdminApi::show_tunnel},
      {"DELETE", "/v1/tunnels/{id}", Role::kOperator, &AdminApi::close_tunnel},
      {"GET", "/v1/site", Role::kViewer, &AdminApi::show_site},
      {"PUT", "/v1/site", Role::kAdmin, &AdminApi::apply_site, kSiteBytes},
      {"POST", "/v1/site/plan", Role::kViewer, &AdminApi::plan_site, kSiteBytes},
      {"GET", "/v1/site/revisions", Role::kViewer, &AdminApi::list_revisions},
      {"GET", "/v1/site/revisions/{id}", Role::kViewer, &AdminApi::show_revision},
      {"POST", "/v1/site/revisions/{id}/plan", Role::kViewer, &AdminApi::plan_rollback},
      {"POST", "/v1/site/revisions/{id}/rollback", Role::kAdmin, &AdminApi::roll_back},
  };
  return table;
}

std::vector<AdminApi::RouteName> AdminApi::route_names() {
  std::vector<RouteName> names;
  for (const Route& route : routes()) names.emplace_back(route.method, route.pattern);
  return names;
}

void AdminApi::handle(const HttpRequest& request, const HttpRespond& respond) {
  std::vector<std::string_view> allowed;
  for (const Route& route : routes()) {
    Call call{request, respond, ""};
    if (!matches(route.pattern, request.path, call.id)) continue;
    allowed.push_back(route.method);
    if (route.method == request.method) return handle(route, call);
  }
  const Call call{request, respond, ""};
  if (allowed.empty()) {
    call.answer(Error{ErrorCode::kNotFound, fmt::format("no such path: {}", request.path), ""});
    return;
  }
  HttpResponse response = to_response(
      405, to_json(Error{ErrorCode::kUsage,
                         fmt::format("{} does not take {}", request.path, request.method), ""}));
  response.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  respond(std::move(response));
}

void AdminApi::handle(const Route& route, Call& call) {
  const Role role = authenticator()->role_of(call.request.authorization);
  call.role = role;
  // What probes ask for must always be answered.
  if (route.role != Role::kNobody && refuse_too_many(role, call)) return;
  const std::size_t bytes = call.request.body.size();
  if (bytes > route.body_bytes) {
    call.answer(
        Error{ErrorCode::kTooLarge,
              fmt::format("the body has {} bytes, at most {} are allowed", bytes, route.body_bytes),
              "send less at a time"});
  } else if (role >= route.role) {
    (this->*route.handler)(call);
  } else if (role == Role::kNobody) {
    HttpResponse response =
        to_response(401, to_json(Error{ErrorCode::kDenied, "a valid bearer token is required",
                                       "send 'Authorization: Bearer TOKEN'; the admin token is in "
                                       "pki/admin.token of the site"}));
    // RFC 6750, section 3: the error is named when there was a token.
    response.headers.emplace_back("WWW-Authenticate",
                                  call.request.authorization.empty()
                                      ? "Bearer realm=\"kscpush\""
                                      : "Bearer realm=\"kscpush\", error=\"invalid_token\"");
    call.respond(std::move(response));
  } else {
    call.answer(Error{ErrorCode::kDenied,
                      fmt::format("the role '{}' may not do this", to_string(role)),
                      fmt::format("it takes the role '{}'", to_string(route.role))});
  }
}

bool AdminApi::refuse_too_many(Role role, const Call& call) {
  const std::uint32_t most = server_.config()->dp.push_server.admin.requests_per_second;
  const std::string_view client = role == Role::kNobody ? call.request.remote : to_string(role);
  const auto wait = limiter_.take(client, most, server_.clock().now());
  if (!wait) return false;
  HttpResponse response = to_response(
      429, to_json(Error{ErrorCode::kOverloaded,
                         fmt::format("more than {} requests a second from '{}'", most, client),
                         "push_server.admin.requests_per_second allows more"}));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait);
  response.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
  call.answer(std::move(response));
  return true;
}

void AdminApi::use(Authenticator authenticator) {
  const std::scoped_lock lock(mutex_);
  authenticator_ = std::make_shared<const Authenticator>(std::move(authenticator));
}

std::shared_ptr<const Authenticator> AdminApi::authenticator() const {
  const std::scoped_lock lock(mutex_);
  return authenticator_;
}

void AdminApi::health(const Call& call) {
  call.respond(plain(200, "ok\n"));
}

void AdminApi::readiness(const Call& call) {
  const bool ready = server_.ready();
  call.respond(plain(ready ? 200 : 503, ready                ? "ready\n"
                                        : server_.draining() ? "draining\n"
                                                             : "stopping\n"));
}

void AdminApi::metrics(const Call& call) {
  call.respond(
      {200, "text/plain; version=0.0.4; charset=utf-8", render_metrics(server_, figures())});
}

AdminFigures AdminApi::figures() const {
  return {feed_.listeners(), feed_.overflows(), limiter_.refused(), http_usage_->request_bytes,
          http_usage_->requests_dropped};
}

void AdminApi::drain(const Call& call) {
  const auto body = body_object(call.request, {"seconds"});
  if (!body) return call.answer(body.error());
  const auto seconds = number_field(*body, "seconds");
  if (!seconds) return call.answer(seconds.error());
  const std::int64_t within = seconds->value_or(kDrainSeconds);
  if (within < 0 || within > kLongestDrainSeconds) {
    return call.answer(
        fail_field("seconds", "'seconds' must be from 0 to {}", std::int64_t{kLongestDrainSeconds})
            .value());
  }
  json answer = status();  // with those who are connected before the first is sent away
  server_.drain(std::chrono::seconds(within));
  answer["draining"] = true;
  call.answer(200, answer);
}

void AdminApi::stop_draining(const Call& call) {
  server_.stop_draining();
  server_status(call);
}

nlohmann::json AdminApi::status() const {
  const auto config = server_.config();
  const site::DistributionPoint& dp = config->dp;
  return {{"name", dp.name},
          {"address", dp.address},
          {"port", dp.push_server.port.value()},
          {"since", to_rfc3339(server_.started())},
          {"connected", server_.connected()},
          {"max_connections", dp.push_server.max_connections},
          {"draining", server_.draining()},
          {"shards", server_.counters().size()}};
}

void AdminApi::server_status(const Call& call) {
  call.answer(200, status());
}

void AdminApi::ping(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  const auto body = body_object(call.request, {"timeout_ms"});
  if (!body) return call.answer(body.error());
  const auto wait = timeout_field(*body);
  if (!wait) return call.answer(wait.error());
  server_.ping(device->id, *wait, [answer = call.later(), this](const Result<PingReport>& report) {
    if (!report) return answer(report.error());
    json result = to_json(*report);
    result["server"] = server_.config()->dp.name;
    answer(200, result);
  });
}

}  // namespace kscpush::server

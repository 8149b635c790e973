#include "server/admin/api.hpp"

#include <algorithm>
#include <charconv>

#include "core/diagnostic.hpp"
#include "core/error_table.hpp"
#include "server/admin/json.hpp"
#include "server/enrolment.hpp"
#include "server/metrics.hpp"

namespace kscpush::server {

using nlohmann::json;

struct AdminApi::Call {
  const HttpRequest& request;
  const HttpRespond& respond;
  std::string id;  // the {id} of the path

  void answer(int status, const json& body) const { respond(to_response(status, body)); }
  void answer(const Error& error) const {
    answer(error_row(error.code).http_status, to_json(error));
  }
  [[nodiscard]] static HttpResponse to_response(int status, const json& body) {
    return {status, "application/json",
            body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
  }
  // For answers that come later, on another thread.
  [[nodiscard]] auto later() const {
    return
        [respond = respond](int status, const json& body) { respond(to_response(status, body)); };
  }
};

struct AdminApi::Route {
  std::string_view method;
  std::string_view pattern;  // "{id}" stands for one segment
  Role role;
  void (AdminApi::*handler)(const Call&);
};

namespace {

constexpr std::size_t kDefaultPage = 1000;
constexpr std::size_t kLargestPage = 10'000;

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

// A parameter of the query; its values here need no decoding.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return std::string(pair.substr(name.size() + 1));
    }
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
  }
  return {};
}

Result<json> body_object(const HttpRequest& request) {
  if (request.body.empty()) return json::object();
  json body = json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (body.is_object()) return body;
  return fail({ErrorCode::kUsage, "the body is not a JSON object", ""});
}

Result<std::string> text_field(const json& body, const char* name, std::string otherwise) {
  const auto found = body.find(name);
  if (found == body.end()) return otherwise;
  if (found->is_string()) return found->get<std::string>();
  return fail(ErrorCode::kUsage, "'{}' must be a string", name);
}

Result<std::int64_t> number_field(const json& body, const char* name, std::int64_t otherwise) {
  const auto found = body.find(name);
  if (found == body.end()) return otherwise;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  return fail(ErrorCode::kUsage, "'{}' must be a whole number", name);
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
      {"GET", "/v1/devices", Role::kViewer, &AdminApi::list_devices},
      {"POST", "/v1/devices", Role::kAdmin, &AdminApi::add_device},
      {"GET", "/v1/devices/{id}", Role::kViewer, &AdminApi::show_device},
      {"POST", "/v1/devices/{id}/certificate", Role::kAdmin, &AdminApi::certificate},
      {"POST", "/v1/devices/{id}/ping", Role::kOperator, &AdminApi::ping},
      {"POST", "/v1/devices/{id}/pushes", Role::kOperator, &AdminApi::push},
      {"GET", "/v1/pushes/{id}", Role::kViewer, &AdminApi::show_push},
  };
  return table;
}

void AdminApi::handle(const HttpRequest& request, const HttpRespond& respond) {
  bool known_path = false;
  for (const Route& route : routes()) {
    Call call{request, respond, ""};
    if (!matches(route.pattern, request.path, call.id)) continue;
    known_path = true;
    if (route.method != request.method) continue;
    const Role role = authenticator_.role_of(request.authorization);
    if (role >= route.role) {
      (this->*route.handler)(call);
    } else if (role == Role::kNobody) {
      call.answer(401, to_json(Error{ErrorCode::kDenied, "a valid bearer token is required",
                                     "send 'Authorization: Bearer TOKEN'; the admin token is in "
                                     "pki/admin.token of the site"}));
    } else {
      call.answer(Error{ErrorCode::kDenied,
                        fmt::format("the role '{}' may not do this", to_string(role)),
                        fmt::format("it takes the role '{}'", to_string(route.role))});
    }
    return;
  }
  const Call call{request, respond, ""};
  if (known_path) {
    call.answer(
        405, to_json(Error{ErrorCode::kUsage,
                           fmt::format("{} does not take {}", request.path, request.method), ""}));
  } else {
    call.answer(Error{ErrorCode::kNotFound, fmt::format("no such path: {}", request.path), ""});
  }
}

void AdminApi::health(const Call& call) {
  call.respond(plain(200, "ok\n"));
}

void AdminApi::readiness(const Call& call) {
  const bool ready = server_.ready();
  call.respond(plain(ready ? 200 : 503, ready ? "ready\n" : "stopping\n"));
}

void AdminApi::metrics(const Call& call) {
  call.respond({200, "text/plain; version=0.0.4; charset=utf-8", render_metrics(server_)});
}

void AdminApi::server_status(const Call& call) {
  const auto config = server_.config();
  const site::DistributionPoint& dp = config->dp;
  call.answer(200, {{"name", dp.name},
                    {"address", dp.address},
                    {"port", dp.push_server.port.value()},
                    {"since", to_rfc3339(server_.started())},
                    {"connected", server_.connected()},
                    {"max_connections", dp.push_server.max_connections},
                    {"shards", server_.counters().size()}});
}

void AdminApi::list_devices(const Call& call) {
  std::size_t limit = kDefaultPage;
  const std::string wanted = parameter(call.request.query, "limit");
  if (!wanted.empty()) {
    const auto [end, code] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
    if (code != std::errc() || *end != '\0' || limit == 0 || limit > kLargestPage) {
      call.answer(Error{ErrorCode::kUsage,
                        fmt::format("limit must be a number from 1 to {}", kLargestPage), ""});
      return;
    }
  }
  auto devices = server_.store().list_devices(parameter(call.request.query, "after"), limit);
  if (!devices) {
    call.answer(devices.error());
    return;
  }
  std::vector<DeviceId> ids;
  for (const DeviceRecord& device : *devices) ids.push_back(device.id);
  const bool more = devices->size() == limit;
  server_.views(std::move(ids), [answer = call.later(), devices = std::move(*devices),
                                 more](const std::vector<std::optional<DeviceView>>& views) {
    json list = json::array();
    for (std::size_t i = 0; i < devices.size(); ++i) {
      list.push_back(to_json(devices[i], views[i]));
    }
    answer(200,
           {{"devices", std::move(list)}, {"next", more ? json(devices.back().id.str()) : json()}});
  });
}

void AdminApi::add_device(const Call& call) {
  const auto body = body_object(call.request);
  if (!body) return call.answer(body.error());
  const auto text = text_field(*body, "id", "");
  if (!text) return call.answer(text.error());
  const auto id = DeviceId::parse(*text);
  if (!id) return call.answer(id.error());
  const auto group = text_field(*body, "group", std::string(site::kRootGroup));
  if (!group) return call.answer(group.error());
  if (!site_.has_group(*group)) {
    std::vector<std::string> names{std::string(site::kRootGroup)};
    for (const site::Group& known : site_.groups) names.push_back(known.path);
    return call.answer(Error{
        ErrorCode::kNotFound, fmt::format("no group '{}'{}", *group, suggestion(*group, names)),
        "the server knows the groups of the configuration that it was started with"});
  }
  if (auto added = server_.store().add_device(*id, *group); !added) {
    return call.answer(added.error());
  }
  const auto device = server_.store().find_device(*id);
  if (!device) return call.answer(device.error());
  call.answer(201, to_json(**device, std::nullopt));
}

namespace {

// The registered device of the path, or the answer that says why there is none.
std::optional<DeviceRecord> require_device(PushServer& server, const AdminApi::Call& call) {
  const auto id = DeviceId::parse(call.id);
  if (!id) {
    call.answer(id.error());
    return std::nullopt;
  }
  auto found = server.store().find_device(*id);
  if (!found) {
    call.answer(found.error());
    return std::nullopt;
  }
  if (!found->has_value()) {
    call.answer(Error{ErrorCode::kNotFound, fmt::format("no device '{}'", id->str()),
                      "'kscpush device list' lists the devices"});
  }
  return *found;
}

}  // namespace

void AdminApi::show_device(const Call& call) {
  const auto device = require_device(server_, call);
  if (!device) return;
  server_.view(device->id,
               [answer = call.later(), device = *device](const std::optional<DeviceView>& view) {
                 answer(200, to_json(device, view));
               });
}

void AdminApi::certificate(const Call& call) {
  const auto device = require_device(server_, call);
  if (!device) return;
  const auto enrolment =
      enroll(server_.store(), server_.config()->paths, device->id, server_.clock());
  if (!enrolment) return call.answer(enrolment.error());
  call.answer(201, {{"id", device->id.str()},
                    {"certificate", enrolment->device.certificate},
                    {"key", enrolment->device.key.str()},
                    {"authority", enrolment->authority},
                    {"not_after", to_rfc3339(enrolment->not_after)}});
}

void AdminApi::ping(const Call& call) {
  const auto device = require_device(server_, call);
  if (!device) return;
  const auto body = body_object(call.request);
  if (!body) return call.answer(body.error());
  const auto timeout = number_field(*body, "timeout_ms", 5000);
  if (!timeout) return call.answer(timeout.error());
  // What is beyond the longest is refused like just beyond it: the type of durations has no room
  // for all numbers.
  constexpr auto kLongest =
      std::chrono::ceil<std::chrono::milliseconds>(PushServer::kLongestProbe).count();
  const std::chrono::milliseconds wait(std::clamp<std::int64_t>(*timeout, 0, kLongest + 1));
  server_.ping(device->id, wait, [answer = call.later(), this](const Result<ProbeReport>& report) {
    if (!report) {
      answer(error_row(report.error().code).http_status, to_json(report.error()));
      return;
    }
    json result = to_json(*report);
    result["server"] = server_.config()->dp.name;
    answer(200, result);
  });
}

void AdminApi::push(const Call& call) {
  const auto device = require_device(server_, call);
  if (!device) return;
  const auto body = body_object(call.request);
  if (!body) return call.answer(body.error());
  const auto kind = text_field(*body, "kind", "");
  if (!kind) return call.answer(kind.error());
  PushRequest request{*kind, "{}", std::nullopt};
  if (const auto params = body->find("params"); params != body->end()) {
    if (!params->is_object()) {
      return call.answer(Error{ErrorCode::kUsage, "'params' must be an object", ""});
    }
    request.params = params->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  if (body->contains("ttl")) {
    const auto ttl = number_field(*body, "ttl", 0);
    if (!ttl) return call.answer(ttl.error());
    request.ttl = std::chrono::seconds(*ttl);
  }
  server_.push(device->id, request, [answer = call.later()](const Result<PushRecord>& push) {
    if (push) {
      answer(202, to_json(*push));
    } else {
      answer(error_row(push.error().code).http_status, to_json(push.error()));
    }
  });
}

void AdminApi::show_push(const Call& call) {
  const auto id = Ulid::parse(call.id);
  if (!id) return call.answer(id.error());
  const auto push = server_.store().find_push(*id);
  if (!push) return call.answer(push.error());
  if (!push->has_value()) {
    return call.answer(Error{ErrorCode::kNotFound, fmt::format("no push '{}'", id->str()), ""});
  }
  call.answer(200, to_json(**push));
}

}  // namespace kscpush::server

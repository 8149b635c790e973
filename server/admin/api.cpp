#include "server/admin/api.hpp"

#include <algorithm>
#include <charconv>

#include "core/diagnostic.hpp"
#include "core/error_table.hpp"
#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/enrolment.hpp"
#include "server/metrics.hpp"

namespace kscpush::server {

using nlohmann::json;

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
      {"GET", "/v1/site", Role::kViewer, &AdminApi::show_site},
      {"PUT", "/v1/site", Role::kAdmin, &AdminApi::apply_site},
      {"POST", "/v1/site/plan", Role::kViewer, &AdminApi::plan_site},
      {"GET", "/v1/site/revisions", Role::kViewer, &AdminApi::list_revisions},
      {"GET", "/v1/site/revisions/{id}", Role::kViewer, &AdminApi::show_revision},
      {"POST", "/v1/site/revisions/{id}/plan", Role::kViewer, &AdminApi::plan_rollback},
      {"POST", "/v1/site/revisions/{id}/rollback", Role::kAdmin, &AdminApi::roll_back},
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
    const Role role = authenticator()->role_of(request.authorization);
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
  const std::string wanted = query_parameter(call.request.query, "limit");
  if (!wanted.empty()) {
    const auto [end, code] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
    if (code != std::errc() || *end != '\0' || limit == 0 || limit > kLargestPage) {
      call.answer(Error{ErrorCode::kUsage,
                        fmt::format("limit must be a number from 1 to {}", kLargestPage), ""});
      return;
    }
  }
  auto devices = server_.store().list_devices(query_parameter(call.request.query, "after"), limit);
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
  const auto body = body_object(call.request, {"id", "group"});
  if (!body) return call.answer(body.error());
  const auto text = text_field(*body, "id");
  if (!text) return call.answer(text.error());
  const auto id = DeviceId::parse(text->value_or(""));
  if (!id) return call.answer(id.error());
  const auto given = text_field(*body, "group");
  if (!given) return call.answer(given.error());
  const std::optional<std::string> group = given->value_or(std::string(site::kRootGroup));
  const auto running = keeper_.running();
  if (!running->site.has_group(*group)) {
    std::vector<std::string> names{std::string(site::kRootGroup)};
    for (const site::Group& known : running->site.groups) names.push_back(known.path);
    return call.answer(Error{
        ErrorCode::kNotFound, fmt::format("no group '{}'{}", *group, suggestion(*group, names)),
        "the server knows the groups of the configuration that it runs: see kscpush apply"});
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
  const auto body = body_object(call.request, {"timeout_ms"});
  if (!body) return call.answer(body.error());
  const auto given = number_field(*body, "timeout_ms");
  if (!given) return call.answer(given.error());
  const std::optional<std::int64_t> timeout = given->value_or(5000);
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
  const auto body = body_object(call.request, {"kind", "params", "ttl"});
  if (!body) return call.answer(body.error());
  const auto kind = text_field(*body, "kind");
  if (!kind) return call.answer(kind.error());
  PushRequest request{kind->value_or(""), "{}", std::nullopt};
  if (const auto params = body->find("params"); params != body->end()) {
    if (!params->is_object()) {
      return call.answer(Error{ErrorCode::kUsage, "'params' must be an object", ""});
    }
    request.params = params->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  if (body->contains("ttl")) {
    const auto ttl = number_field(*body, "ttl");
    if (!ttl) return call.answer(ttl.error());
    request.ttl = std::chrono::seconds(ttl->value_or(0));
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

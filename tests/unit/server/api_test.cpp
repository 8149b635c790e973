// The admin API as a function from request to response, on a push server that runs.
#include "server/admin/api.hpp"

#include <fstream>
#include <future>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "server/admin/json.hpp"
#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {
namespace {

using nlohmann::json;
using server::AdminApi;
using server::HttpRequest;
using server::HttpResponse;

constexpr const char* kOperator = "the-token-of-the-operator-here";
constexpr const char* kViewer = "the-token-of-a-viewer-just-looking";

site::Site make_site() {
  site::Site site;
  site.groups.push_back({"Managed devices/Berlin", {}});
  return site;
}

struct Api {
  Api() {
    auto& config = files.config;
    config.dp.push_server.plain_listener = site::ListenAddress{"127.0.0.1", free_port()};
    config.paths.operator_token = write("operator", kOperator);
    config.paths.viewer_token = write("viewer", kViewer);
    server = files.start();
    keeper = std::make_unique<server::SiteKeeper>(*server, server::RunningSite{{}, {}, make_site()},
                                                  files.folder.path(), silent_log());
    api = std::make_unique<AdminApi>(*server, *keeper,
                                     server::Authenticator::load(config.paths).value());
    token = files.admin_token;
  }
  [[nodiscard]] std::filesystem::path write(const std::string& name,
                                            const std::string& text) const {
    const auto path = files.folder / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }

  // PATH may have a query.
  std::future<HttpResponse> begin(const std::string& method, const std::string& path,
                                  const std::string& body = "") const {
    auto promise = std::make_shared<std::promise<HttpResponse>>();
    const std::size_t mark = path.find('?');
    const HttpRequest request{method, path.substr(0, mark),
                              mark == std::string::npos ? "" : path.substr(mark + 1),
                              token.empty() ? "" : "Bearer " + token, body};
    api->handle(request, [promise](HttpResponse response) { promise->set_value(response); });
    return promise->get_future();
  }
  HttpResponse ask(const std::string& method, const std::string& path,
                   const std::string& body = "") const {
    return wait(begin(method, path, body));
  }
  static HttpResponse wait(std::future<HttpResponse> future) {
    if (future.wait_for(kPatience) != std::future_status::ready) {
      throw std::runtime_error("no response");
    }
    return future.get();
  }
  json get(const std::string& path) const {
    const auto response = ask("GET", path);
    REQUIRE(response.status == 200);
    CHECK(response.content_type == "application/json");
    return json::parse(response.body);
  }
  [[nodiscard]] Port plain_port() const { return files.config.dp.push_server.plain_listener->port; }

  TestSite files;
  std::unique_ptr<server::PushServer> server;
  std::unique_ptr<server::SiteKeeper> keeper;
  std::unique_ptr<AdminApi> api;
  std::string token;
};

json error_of(const HttpResponse& response, int status) {
  CHECK(response.status == status);
  const json body = json::parse(response.body);
  CHECK(body.contains("code"));
  CHECK_FALSE(body["message"].get<std::string>().empty());
  CHECK(body.contains("hint"));
  return body;
}

}  // namespace

TEST_CASE("api: health, readiness and metrics need no token") {
  Api api;
  api.token = "";
  CHECK(api.ask("GET", "/healthz").body == "ok\n");
  CHECK(api.ask("GET", "/readyz").status == 200);
  const auto metrics = api.ask("GET", "/metrics");
  CHECK(metrics.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(metrics.body.find("kscpush_devices_connected 0") != std::string::npos);
  api.server->stop();
  CHECK(api.ask("GET", "/healthz").status == 200);
  CHECK(api.ask("GET", "/readyz").status == 503);
  CHECK(api.ask("GET", "/metrics").status == 200);
}

TEST_CASE("api: each call takes its role, as the table says") {
  Api api;
  const std::string device = "/v1/devices/pc-1";
  struct Call {
    std::string method;
    std::string path;
    int least;  // 1 viewer, 2 operator, 3 admin
  };
  const Call calls[] = {{"GET", "/v1/server", 1},
                        {"GET", "/v1/devices", 1},
                        {"GET", device, 1},
                        {"GET", "/v1/pushes/00000000000000000000000000", 1},
                        {"POST", device + "/ping", 2},
                        {"POST", device + "/pushes", 2},
                        {"POST", "/v1/devices", 3},
                        {"POST", device + "/certificate", 3}};
  const std::string tokens[] = {"", kViewer, kOperator, api.files.admin_token};
  for (const Call& call : calls) {
    for (int role = 0; role < 4; ++role) {
      CAPTURE(call.path);
      CAPTURE(role);
      api.token = tokens[role];
      const int status = api.ask(call.method, call.path).status;
      if (role == 0) {
        CHECK(status == 401);
      } else if (role < call.least) {
        CHECK(status == 403);
      } else {
        CHECK(status != 401);
        CHECK(status != 403);
      }
    }
  }
}

TEST_CASE("api: unknown paths and methods") {
  Api api;
  error_of(api.ask("GET", "/v1/nonsense"), 404);
  error_of(api.ask("GET", "/v1/devices/pc-1/"), 404);
  error_of(api.ask("GET", ""), 404);
  error_of(api.ask("DELETE", "/v1/devices"), 405);
  error_of(api.ask("GET", "/v1/devices/pc-1/ping"), 405);
}

TEST_CASE("api: the server describes itself") {
  const Api api;
  const json body = api.get("/v1/server");
  CHECK(body["name"] == "dp-1");
  CHECK(body["address"] == "localhost");
  CHECK(body["port"] == api.files.config.dp.push_server.port.value());
  CHECK(body["connected"] == 0);
  CHECK(body["max_connections"] == 50'000);
  CHECK(body["shards"] == 2);
}

TEST_CASE("api: devices are listed in pages, with their connections") {
  const Api api;
  SocketDevice device(api.plain_port(), {.id = "pc-2"});
  device.go_online();
  const json first = api.get("/v1/devices?limit=2");
  REQUIRE(first["devices"].size() == 2);
  CHECK(first["devices"][0]["id"] == "pc-1");
  CHECK(first["devices"][0]["connection"].is_null());
  CHECK(first["devices"][1]["connection"]["protocol"] == "MQTT 5");
  CHECK(first["devices"][1]["connection"]["subscribed"] == true);
  CHECK(first["next"] == "pc-2");
  const json second = api.get("/v1/devices?after=pc-2&limit=2");
  REQUIRE(second["devices"].size() == 1);
  CHECK(second["devices"][0]["id"] == "pc-3");
  CHECK(second["next"].is_null());
  for (const char* limit : {"0", "10001", "abc", "1x", "-1"}) {
    error_of(api.ask("GET", std::string("/v1/devices?limit=") + limit), 400);
  }
}

TEST_CASE("api: a device by itself") {
  const Api api;
  const json body = api.get("/v1/devices/pc-1");
  CHECK(body["group"] == "Managed devices");
  CHECK(body["revoked"] == false);
  CHECK(body["enrolled"] == false);
  CHECK(body["connection"].is_null());
  error_of(api.ask("GET", "/v1/devices/none"), 404);
  error_of(api.ask("GET", "/v1/devices/a%20b"), 400);
}

TEST_CASE("api: a device is added to a group of the site") {
  const Api api;
  const auto added =
      api.ask("POST", "/v1/devices", R"({"id":"new-1","group":"Managed devices/Berlin"})");
  CHECK(added.status == 201);
  CHECK(json::parse(added.body)["group"] == "Managed devices/Berlin");
  CHECK(api.ask("POST", "/v1/devices", R"({"id":"new-2"})").status == 201);
  error_of(api.ask("POST", "/v1/devices", R"({"id":"new-1"})"), 409);
  const json unknown = error_of(
      api.ask("POST", "/v1/devices", R"({"id":"x","group":"Managed devices/Belin"})"), 404);
  CHECK(unknown["message"] ==
        "no group 'Managed devices/Belin'; did you mean 'Managed devices/Berlin'?");
  for (const char* body :
       {"", "[]", "nonsense", R"({"id":5})", R"({"id":"a b"})", R"({"id":"x","group":7})"}) {
    CAPTURE(body);
    error_of(api.ask("POST", "/v1/devices", body), 400);
  }
}

TEST_CASE("api: a certificate that its device can connect with") {
  const Api api;
  const auto response = api.ask("POST", "/v1/devices/pc-1/certificate");
  REQUIRE(response.status == 201);
  const json body = json::parse(response.body);
  CHECK(body["authority"] == api.files.authority.certificate);
  CHECK(api.get("/v1/devices/pc-1")["enrolled"] == true);
  const DeviceFiles files = api.files.write(
      "issued", {body["certificate"].get<std::string>(), Secret(body["key"].get<std::string>())});
  SocketDevice device(api.files.config.dp.push_server.port, {}, api.files, files);
  device.go_online();
  REQUIRE(api.server->store().set_revoked(device_id("pc-2"), true).has_value());
  error_of(api.ask("POST", "/v1/devices/pc-2/certificate"), 403);
  error_of(api.ask("POST", "/v1/devices/none/certificate"), 404);
}

TEST_CASE("api: without the authority's key there are no certificates, and why") {
  const Api api;
  std::filesystem::remove(api.files.config.paths.authority_key);
  const json body = error_of(api.ask("POST", "/v1/devices/pc-1/certificate"), 422);
  CHECK(body["hint"].get<std::string>().find(api.files.config.paths.authority_key.string()) !=
        std::string::npos);
}

TEST_CASE("api: ping tells answered, offline and unknown apart") {
  const Api api;
  SocketDevice device(api.plain_port(), {});
  device.go_online();
  auto pinged = api.begin("POST", "/v1/devices/pc-1/ping", R"({"timeout_ms":10000})");
  device.ack(device.next().packet_id);
  const auto response = Api::wait(std::move(pinged));
  REQUIRE(response.status == 200);
  const json body = json::parse(response.body);
  CHECK(body["server"] == "dp-1");
  CHECK(body["puback_ms"].is_number());
  CHECK(body["agent"].is_null());
  CHECK(error_of(api.ask("POST", "/v1/devices/pc-2/ping"), 409)["code"] == "offline");
  CHECK(error_of(api.ask("POST", "/v1/devices/none/ping"), 404)["code"] == "not_found");
  const auto late = api.ask("POST", "/v1/devices/pc-1/ping", R"({"timeout_ms":1})");
  CHECK(error_of(late, 504)["code"] == "no_answer");
}

TEST_CASE("regression: a ping whose timeout is beyond all bounds is refused, not overflown") {
  const Api api;
  for (const char* timeout :
       {"0", "-1", "60001", "9223372036854775807", "-9223372036854775808",
        // 448384 ns, if it is multiplied without a look.
        "18446744073710", "18446744073709551615", "1e300", "\"5\"", "1.5", "null"}) {
    CAPTURE(timeout);
    const std::string body = std::string(R"({"timeout_ms":)") + timeout + "}";
    error_of(api.ask("POST", "/v1/devices/pc-1/ping", body), 400);
  }
}

TEST_CASE("api: a push is answered when it is stored, and can be looked at from then on") {
  const Api api;
  const auto response = api.ask("POST", "/v1/devices/pc-1/pushes",
                                R"({"kind":"sync","params":{"a":[1,2]},"ttl":60})");
  REQUIRE(response.status == 202);
  const json stored = json::parse(response.body);
  CHECK(stored["state"] == "stored");
  const json found = api.get("/v1/pushes/" + stored["id"].get<std::string>());
  CHECK(found["device"] == "pc-1");
  CHECK(found["kind"] == "sync");
  CHECK(found["params"] == json{{"a", {1, 2}}});
  CHECK(found["attempts"] == 0);
  CHECK(found["times"].contains("stored"));
  CHECK_FALSE(found["times"].contains("sent"));
  error_of(api.ask("GET", "/v1/pushes/00000000000000000000000000"), 404);
  error_of(api.ask("GET", "/v1/pushes/nonsense"), 400);
}

TEST_CASE("api: a push that makes no sense, or needs a device that is away, is refused") {
  const Api api;
  const std::string path = "/v1/devices/pc-1/pushes";
  for (const char* body :
       {"", "{}", R"({"kind":"nonsense"})", R"({"kind":5})", R"({"kind":"sync","params":[]})",
        R"({"kind":"sync","ttl":"long"})", R"({"kind":"sync","ttl":-1})",
        R"({"kind":"sync","ttl":172801})", R"({"kind":"sync","ttl":9223372036854775807})"}) {
    CAPTURE(body);
    error_of(api.ask("POST", path, body), 400);
  }
  error_of(api.ask("POST", path, R"({"kind":"ping"})"), 409);
  error_of(api.ask("POST", "/v1/devices/none/pushes", R"({"kind":"sync"})"), 404);
  const std::string large = R"({"kind":"sync","params":{"x":")" + std::string(70'000, 'x') + "\"}}";
  error_of(api.ask("POST", path, large), 413);
}

TEST_CASE("api: text that is not UTF-8 does no harm") {
  const Api api;
  const std::string body = "{\"kind\":\"sync\",\"params\":{\"x\":\"\xff\xfe\"}}";
  error_of(api.ask("POST", "/v1/devices/pc-1/pushes", body), 400);
  error_of(api.ask("GET", "/v1/\xff\xfe"), 404);
}

TEST_CASE("api: an error is read back as it was") {
  const Error error{ErrorCode::kOverloaded, "message", "hint"};
  const Error read = server::error_from_json(server::to_json(error));
  CHECK(read.code == error.code);
  CHECK(read.message == "message");
  CHECK(read.hint == "hint");
  CHECK(server::error_from_json(json::parse(R"({"code":5})")).code == ErrorCode::kFailed);
}

}  // namespace kscpush::test

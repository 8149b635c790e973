// The admin API as a function from request to response, on a push server that runs.
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {

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
                        {"GET", "/v1/groups", 1},
                        {"POST", "/v1/devices", 3},
                        {"PATCH", device, 3},
                        {"DELETE", device, 3},
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
  const auto allow = [](const HttpResponse& response) {
    error_of(response, 405);
    return response.headers == Headers{{"Allow", response.headers.at(0).second}}
               ? response.headers.at(0).second
               : "";
  };
  CHECK(allow(api.ask("DELETE", "/v1/devices")) == "GET, POST");
  CHECK(allow(api.ask("PUT", "/v1/devices/pc-1")) == "GET, PATCH, DELETE");
  CHECK(allow(api.ask("GET", "/v1/devices/pc-1/ping")) == "POST");
}

TEST_CASE("api: without a valid token the scheme is named") {
  Api api;
  api.token = "";
  CHECK(api.ask("GET", "/v1/server").headers ==
        Headers{{"WWW-Authenticate", "Bearer realm=\"kscpush\""}});
  api.token = "wrong";
  CHECK(api.ask("GET", "/v1/server").headers ==
        Headers{{"WWW-Authenticate", "Bearer realm=\"kscpush\", error=\"invalid_token\""}});
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

}  // namespace kscpush::test

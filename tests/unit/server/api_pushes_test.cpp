// Pushes through the admin API: lists, waiting, cancelling, requests that are done once.
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

const std::string kToPc1 = "/v1/devices/pc-1/pushes";

json accepted(const HttpResponse& response) {
  REQUIRE(response.status == 202);
  return json::parse(response.body);
}

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

// With an Idempotency-Key.
HttpResponse once(const Api& api, const std::string& key, const std::string& body,
                  const std::string& path = kToPc1) {
  return Api::wait(
      api.begin("POST", path, body, [&](HttpRequest& request) { request.idempotency_key = key; }));
}

std::vector<std::string> ids(const json& page) {
  std::vector<std::string> all;
  for (const json& push : page["pushes"]) all.push_back(push["id"]);
  return all;
}

}  // namespace

TEST_CASE("api: pushes are listed newest first, in pages, by device, state and kind") {
  const Api api;
  std::vector<std::string> newest_first;
  for (int i = 0; i < 5; ++i) {
    const json push = accepted(api.ask("POST", kToPc1, R"({"kind":"ping","ttl":60})"));
    newest_first.insert(newest_first.begin(), push["id"]);
  }
  const json other = accepted(api.ask("POST", "/v1/devices/pc-2/pushes", R"({"kind":"sync"})"));
  const json first = api.get("/v1/pushes?device=pc-1&limit=3");
  CHECK(ids(first) == std::vector(newest_first.begin(), newest_first.begin() + 3));
  const json second = api.get("/v1/pushes?device=pc-1&limit=3&after=" + first["next"].dump());
  CHECK(ids(second) == std::vector(newest_first.begin() + 3, newest_first.end()));
  CHECK(second["next"].is_null());
  CHECK(ids(api.get("/v1/pushes")).size() == 6);
  CHECK(ids(api.get("/v1/pushes?kind=sync")) == std::vector<std::string>{other["id"]});
  CHECK(api.ask("DELETE", "/v1/pushes/" + newest_first[0]).status == 200);
  CHECK(ids(api.get("/v1/pushes?state=cancelled")) == std::vector{newest_first[0]});
  CHECK(ids(api.get("/v1/pushes?state=stored&device=pc-1")).size() == 4);
  const json none = error_of(api.ask("GET", "/v1/pushes?device=none"), 404);
  CHECK(none["message"] == "no device 'none'");
  for (const char* field : {"device=a%20b", "state=lost", "kind=dance", "after=x", "limit=0"}) {
    const json error = error_of(api.ask("GET", std::string("/v1/pushes?") + field), 400);
    CHECK(std::string(field).starts_with(error["field"].get<std::string>() + "="));
  }
}

TEST_CASE("api: an error names the field that is to blame") {
  const Api api;
  const auto field = [&](const std::string& body) {
    return error_of(api.ask("POST", kToPc1, body), 400)["field"];
  };
  CHECK(field(R"({"kind":"dance"})") == "kind");
  CHECK(field(R"({"kind":"sync","ttl":-1})") == "ttl");
  CHECK(field(R"({"kind":"sync","ttl":172801})") == "ttl");
  CHECK(field(R"({"kind":"sync","ttl":18446744073709551615})") == "ttl");
  CHECK(field(R"({"kind":"sync","ttl":"long"})") == "ttl");
  CHECK(field(R"({"kind":"sync","params":[]})") == "params");
  CHECK(field(R"({"kind":"sync","collapse_key":""})") == "collapse_key");
  CHECK(field(R"({"kind":"sync","colour":"red"})") == "colour");
  CHECK(field("{") == nullptr);
}

TEST_CASE("api: a collapse key replaces what waits, whatever its kind") {
  const Api api;
  const auto push = [&](const std::string& key) {
    return accepted(api.ask("POST", kToPc1,
                            R"({"kind":"ping","ttl":60,"collapse_key":")" + key + R"("})"))["id"]
        .get<std::string>();
  };
  const std::string first = push("nightly");
  const std::string other = push("weekly");
  const std::string second = push("nightly");
  CHECK(api.get("/v1/pushes/" + first)["state"] == "superseded");
  CHECK(api.get("/v1/pushes/" + other)["state"] == "stored");
  CHECK(api.get("/v1/pushes/" + second)["collapse_key"] == "nightly");
}

TEST_CASE("api: a push to a device out of the distribution point's scope is refused") {
  Api api;
  server::ServerConfig config = *api.server->config();
  config.dp.scope_groups = {{"Managed devices/Berlin", {}}};
  REQUIRE(api.server->reconfigure(config, [] { return Status(); }).has_value());
  const json error = error_of(api.ask("POST", kToPc1, R"({"kind":"sync"})"), 403);
  CHECK(error["message"].get<std::string>().find("not in the scope") != std::string::npos);
}

TEST_CASE("cancel: what is stored never arrives, what was sent cannot be taken back") {
  const Api api;
  const json kept = accepted(api.ask("POST", kToPc1, R"({"kind":"ping","ttl":60})"));
  const json gone = accepted(api.ask("POST", kToPc1, R"({"kind":"ping","ttl":60})"));
  const auto cancelled = api.ask("DELETE", "/v1/pushes/" + gone["id"].get<std::string>());
  REQUIRE(cancelled.status == 200);
  CHECK(json::parse(cancelled.body)["state"] == "cancelled");
  SocketDevice device(api.plain_port(), {.id = "pc-1"});
  device.connect();
  CHECK(device.next_line() == "connack 0");
  device.send(subscribe_bytes(device.spec));
  CHECK(device.next_line() == "suback 1");
  CHECK(device.next_line() == "publish 1 ping " + kept["id"].get<std::string>());
  const json sent = error_of(api.ask("DELETE", "/v1/pushes/" + kept["id"].get<std::string>()), 409);
  CHECK(sent["message"].get<std::string>().find("is sent already") != std::string::npos);
  error_of(api.ask("DELETE", "/v1/pushes/" + gone["id"].get<std::string>()), 409);
  error_of(api.ask("DELETE", "/v1/pushes/00000000000000000000000000"), 404);
  error_of(api.ask("DELETE", "/v1/pushes/nonsense"), 400);
}

TEST_CASE("idempotency: the same request again is the same push") {
  const Api api;
  const std::string body = R"({"kind":"ping","ttl":60})";
  const auto first = once(api, "key-1", body);
  const json push = accepted(first);
  CHECK(header(first, "Idempotency-Replayed").empty());
  const auto again = once(api, "key-1", body);
  CHECK(accepted(again)["id"] == push["id"]);
  CHECK(header(again, "Idempotency-Replayed") == "true");
  CHECK(ids(api.get("/v1/pushes")).size() == 1);
  // Another body, and another path.
  CHECK(error_of(once(api, "key-1", R"({"kind":"sync"})"), 409)["field"] == "Idempotency-Key");
  error_of(once(api, "key-1", body, "/v1/devices/pc-2/pushes"), 409);
  CHECK(accepted(once(api, "key-2", body))["id"] != push["id"]);
  for (const std::string& bad :
       {std::string(129, 'k'), std::string("a b"), std::string("\xc3\xa4")}) {
    CHECK(error_of(once(api, bad, body), 400)["field"] == "Idempotency-Key");
  }
}

TEST_CASE("idempotency: what needed the device then is answered as then when it is away") {
  const Api api;
  json push;
  {
    SocketDevice device(api.plain_port(), {.id = "pc-1"});
    device.go_online();
    push = accepted(once(api, "now", R"({"kind":"ping"})"));
    CHECK(device.next_line() == "publish 1 ping " + push["id"].get<std::string>());
  }
  wait_until([&] { return api.get("/v1/devices/pc-1")["connection"].is_null(); });
  CHECK(accepted(once(api, "now", R"({"kind":"ping"})"))["id"] == push["id"]);
  error_of(once(api, "then", R"({"kind":"ping"})"), 409);
}

TEST_CASE(
    "wait: answered when the device acknowledges, when it answers, and when the time is over") {
  const Api api;
  SocketDevice device(api.plain_port(), {.id = "pc-1"});
  device.go_online();
  const json push = accepted(api.ask("POST", kToPc1, R"({"kind":"sync"})"));
  const std::string path = "/v1/pushes/" + push["id"].get<std::string>();
  CHECK(device.next_line() == "publish 1 sync " + push["id"].get<std::string>());
  const json in_vain = api.get(path + "?wait=acked&timeout=0");
  CHECK(in_vain["state"] != "acked");
  auto acked = api.begin("GET", path + "?wait=acked&timeout=60");
  auto completed = api.begin("GET", path + "?wait=completed&timeout=60");
  device.ack(1);
  CHECK(json::parse(Api::wait(std::move(acked)).body)["state"] == "acked");
  device.send(publish_bytes(
      device.spec, mqtt::UpTopic::kResult,
      R"({"id":")" + push["id"].get<std::string>() + R"(","status":"completed"})", 7));
  CHECK(json::parse(Api::wait(std::move(completed)).body)["state"] == "completed");
  CHECK(api.get(path + "?wait=acked")["state"] == "completed");  // at once
}

TEST_CASE("wait: the end of a push is an answer too") {
  const Api api;
  const json push = accepted(api.ask("POST", kToPc1, R"({"kind":"ping","ttl":60})"));
  const std::string path = "/v1/pushes/" + push["id"].get<std::string>();
  auto waiting = api.begin("GET", path + "?wait=acked&timeout=60");
  CHECK(api.ask("DELETE", path).status == 200);
  const auto response = Api::wait(std::move(waiting));
  CHECK(response.status == 200);
  CHECK(json::parse(response.body)["state"] == "cancelled");
}

TEST_CASE("wait: beyond its bounds it is refused, and a server that stops answers") {
  const Api api;
  const json push = accepted(api.ask("POST", kToPc1, R"({"kind":"sync"})"));
  const std::string path = "/v1/pushes/" + push["id"].get<std::string>();
  CHECK(error_of(api.ask("GET", path + "?wait=acked&timeout=61"), 400)["field"] == "timeout");
  CHECK(error_of(api.ask("GET", path + "?wait=acked&timeout=-1"), 400)["field"] == "timeout");
  CHECK(error_of(api.ask("GET", path + "?wait=sent"), 400)["field"] == "wait");
  error_of(api.ask("GET", "/v1/pushes/00000000000000000000000000?wait=acked"), 404);
  auto waiting = api.begin("GET", path + "?wait=acked&timeout=60");
  api.server->stop();
  CHECK(json::parse(Api::wait(std::move(waiting)).body)["state"] == "stored");
}

TEST_CASE("api: a device shows its queue and its last disconnects") {
  const Api api;
  for (int i = 0; i < 12; ++i) {
    SocketDevice device(api.plain_port(), {.id = "pc-1"});
    device.go_online();
    device.send(disconnect_bytes(device.spec));
    CHECK(device.wait_for_end());
  }
  wait_until([&] { return api.get("/v1/devices/pc-1")["connection"].is_null(); });
  const json push = accepted(api.ask("POST", kToPc1, R"({"kind":"sync"})"));
  const json shown = api.get("/v1/devices/pc-1");
  CHECK(shown["queue"]["pending"] == 1);
  CHECK(shown["queue"]["pushes"][0]["id"] == push["id"]);
  REQUIRE(shown["disconnects"].size() == 10);
  CHECK(shown["disconnects"][0]["reason"] == "device_disconnected");
  CHECK(shown["disconnects"][0]["at"] >= shown["disconnects"][9]["at"]);
}

TEST_CASE("api: more requests a second than are allowed are told when to come again") {
  Api api;
  server::ServerConfig config = *api.server->config();
  config.dp.push_server.admin.requests_per_second = 3;
  REQUIRE(api.server->reconfigure(config, [] { return Status(); }).has_value());
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    const auto response = api.ask("GET", "/v1/server");
    if (response.status == 200) continue;
    ++refused;
    error_of(response, 429);
    CHECK(header(response, "Retry-After") == "1");
  }
  CHECK(refused > 0);
  // Another role's, and none's, are their own; probes are always answered.
  api.token = kViewer;
  CHECK(api.ask("GET", "/v1/server").status == 200);
  for (int i = 0; i < 50; ++i) CHECK(api.ask("GET", "/healthz").status == 200);
  CHECK(api.ask("GET", "/metrics")
            .body.find("kscpush_api_rate_limited_total " + std::to_string(refused)) !=
        std::string::npos);
}

}  // namespace kscpush::test

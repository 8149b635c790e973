// Requests of the admin API that mean many devices.
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

// Registered beside pc-1, pc-2 and pc-3, which are in the root group.
void add(const Api& api, const std::string& body) {
  REQUIRE(api.ask("POST", "/v1/devices", body).status == 201);
}

std::vector<std::string> devices(const json& rows) {
  std::vector<std::string> names;
  for (const json& row : rows) names.push_back(row.at("device"));
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("api: many are pinged at once, and each has its own answer") {
  const Api api;
  SocketDevice device(api.plain_port(), {});
  device.go_online();
  auto pinged = api.begin("POST", "/v1/ping", R"({"devices":["none","pc-1","pc-2"]})");
  device.ack(device.next().packet_id);
  const auto response = Api::wait(std::move(pinged));
  REQUIRE(response.status == 200);
  const json body = json::parse(response.body);
  REQUIRE(devices(body["answered"]) == Names{"pc-1"});
  CHECK(body["answered"][0]["puback_ms"].is_number());
  CHECK(body["answered"][0]["agent_ms"].is_null());
  REQUIRE(body["failed"].size() == 2);
  CHECK(body["failed"][0]["device"] == "none");
  CHECK(body["failed"][0]["code"] == "not_found");
  CHECK(body["failed"][1]["device"] == "pc-2");
  CHECK(body["failed"][1]["code"] == "offline");
}

TEST_CASE("api: a group, a condition and all mean those in the registry that are not revoked") {
  const Api api;
  add(api, R"({"id":"b-1","group":"Managed devices/Berlin","tags":["laptop"]})");
  add(api, R"({"id":"b-2","group":"Managed devices/Berlin"})");
  add(api, R"({"id":"b-3","group":"Managed devices/Berlin"})");
  REQUIRE(api.ask("PATCH", "/v1/devices/b-3", R"({"revoked":true})").status == 200);
  const auto meant = [&](const std::string& targets) {
    const auto response = api.ask("POST", "/v1/ping", targets);
    REQUIRE(response.status == 200);
    return devices(json::parse(response.body)["failed"]);
  };
  CHECK(meant(R"({"group":"Managed devices/Berlin"})") == Names{"b-1", "b-2"});
  CHECK(meant(R"({"select":"tags contains laptop or id == pc-2"})") == Names{"b-1", "pc-2"});
  CHECK(meant(R"({"all":true})") == Names{"b-1", "b-2", "pc-1", "pc-2", "pc-3"});
}

TEST_CASE("api: which devices are meant must be said, once and in words that make sense") {
  const Api api;
  for (const char* body :
       {"{}", R"({"devices":[]})", R"({"devices":["pc-1","pc-1"]})", R"({"devices":["a/b"]})",
        R"({"devices":"pc-1"})", R"({"all":false})", R"({"all":true,"devices":["pc-1"]})",
        R"({"select":"tags contains"})", R"({"select":7})"}) {
    CAPTURE(body);
    CHECK(error_of(api.ask("POST", "/v1/ping", body), 400)["code"] == "usage");
  }
  const auto unknown = api.ask("POST", "/v1/ping", R"({"group":"Managed devices/Berlim"})");
  CHECK(error_of(unknown, 404)["message"].get<std::string>().find("Berlin") != std::string::npos);
}

}  // namespace kscpush::test

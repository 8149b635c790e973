// The part of the admin API that is the registry: devices, groups, certificates.
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {

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

TEST_CASE("api: a device is added with all that is known of it") {
  const Api api;
  const auto added = api.ask("POST", "/v1/devices",
                             R"({"id":"new-1","tags":["vip","laptop","vip"],)"
                             R"("platform":"Windows","address":"2001:DB8::0:1"})");
  REQUIRE(added.status == 201);
  const json body = json::parse(added.body);
  CHECK(body["tags"] == json{"laptop", "vip"});
  CHECK(body["platform"] == "windows");
  CHECK(body["address"] == "2001:db8::1");
  CHECK(body["policy"].is_null());
  CHECK(body["local_settings"] == json::object());
  for (const char* bad :
       {R"({"id":"x","tags":"a"})", R"({"id":"x","tags":["a b"]})", R"({"id":"x","tags":[5]})",
        R"({"id":"x","platform":"two words"})", R"({"id":"x","address":"here"})",
        R"({"id":"x","colour":"red"})", R"({"id":"x","dry_run":true})"}) {
    CAPTURE(bad);
    error_of(api.ask("POST", "/v1/devices", bad), 400);
  }
  error_of(api.ask("GET", "/v1/devices/x"), 404);
}

TEST_CASE("api: of devices added together either all are, or none, and a dry run asks before") {
  const Api api;
  const auto post = [&](const std::string& body) { return api.ask("POST", "/v1/devices", body); };
  const std::string list = R"({"devices":[{"id":"a"},{"id":"pc-1"},{"id":"b"}])";
  const auto asked = post(list + R"(,"dry_run":true})");
  REQUIRE(asked.status == 200);
  CHECK(json::parse(asked.body) == json{{"existing", {"pc-1"}}});
  const json refused = error_of(post(list + "}"), 409);
  CHECK(refused["message"] == "device 'pc-1' exists already");
  error_of(api.ask("GET", "/v1/devices/a"), 404);
  const auto added = post(R"({"devices":[{"id":"a"},{"id":"b","tags":["x"]}]})");
  REQUIRE(added.status == 201);
  CHECK(json::parse(added.body) == json{{"added", 2}});
  CHECK(api.get("/v1/devices/b")["tags"] == json{"x"});
  const json wrong = error_of(post(R"({"devices":[{"id":"c"},{"id":"d","group":"No"}]})"), 404);
  CHECK(wrong["message"].get<std::string>().starts_with("devices[1]: no group 'No'"));
  for (const char* bad : {R"({"devices":5})", R"({"devices":[5]})", R"({"devices":[{}]})"}) {
    error_of(post(bad), 400);
  }
}

TEST_CASE("api: a device is changed, what is not named stays") {
  const Api api;
  const auto patch = [&](const std::string& body) {
    const auto response = api.ask("PATCH", "/v1/devices/pc-1", body);
    REQUIRE(response.status == 200);
    return json::parse(response.body);
  };
  json device = patch(R"({"group":"Managed devices/Berlin","tags":["a","b"]})");
  CHECK(device["group"] == "Managed devices/Berlin");
  CHECK(device["tags"] == json{"a", "b"});
  device = patch(R"({"add_tags":["c"],"remove_tags":["a"],"platform":"linux"})");
  CHECK(device["group"] == "Managed devices/Berlin");
  CHECK(device["tags"] == json{"b", "c"});
  CHECK(device["platform"] == "linux");
  CHECK(patch("{}") == device);
  CHECK(patch(R"({"revoked":true})")["revoked"] == true);
  CHECK(patch(R"({"revoked":false})")["revoked"] == false);
  json shown = api.get("/v1/devices/pc-1");
  shown.erase("queue");
  shown.erase("disconnects");
  CHECK(device["sync"].is_null());
  device.erase("sync");
  CHECK(shown == device);
  error_of(api.ask("PATCH", "/v1/devices/none", "{}"), 404);
  error_of(api.ask("PATCH", "/v1/devices/pc-1", R"({"group":"Nowhere"})"), 404);
  for (const char* bad : {"[]", R"({"revoked":1})", R"({"id":"other"})", R"({"add_tags":["+"]})",
                          R"({"group":null})"}) {
    CAPTURE(bad);
    error_of(api.ask("PATCH", "/v1/devices/pc-1", bad), 400);
  }
}

TEST_CASE("api: a device is removed") {
  const Api api;
  const auto removed = api.ask("DELETE", "/v1/devices/pc-1");
  CHECK(removed.status == 200);
  CHECK(json::parse(removed.body) == json{{"removed", "pc-1"}});
  error_of(api.ask("GET", "/v1/devices/pc-1"), 404);
  error_of(api.ask("DELETE", "/v1/devices/pc-1"), 404);
}

TEST_CASE("api: a device that is revoked or removed is disconnected and refused") {
  const Api api;
  struct Case {
    std::string id;
    std::string method;
    std::string body;
  };
  for (const auto& [name, method, body] :
       {Case{"pc-1", "PATCH", R"({"revoked":true})"}, Case{"pc-2", "DELETE", ""}}) {
    const std::string& id = name;  // clang 14 captures no part of a structure
    CAPTURE(id);
    SocketDevice device(api.plain_port(), {.id = id});
    device.go_online();
    CHECK(api.ask(method, "/v1/devices/" + id, body).status == 200);
    CHECK(device.next_line() == "disconnect 87");
    CHECK(device.wait_for_end());
    SocketDevice again(api.plain_port(), {.id = id});
    again.connect();
    CHECK(again.next_line() == "connack 87");
  }
  SocketDevice other(api.plain_port(), {.id = "pc-3"});
  other.go_online();
  CHECK(api.ask("PATCH", "/v1/devices/pc-3", R"({"tags":["x"]})").status == 200);
  CHECK(api.get("/v1/devices/pc-3")["connection"].is_object());
}

TEST_CASE("api: a list is filtered, also by what must be encoded") {
  const Api api;
  REQUIRE(api.ask("PATCH", "/v1/devices/pc-2",
                  R"({"group":"Managed devices/Berlin","tags":["büro","a+b"]})")
              .status == 200);
  const auto ids = [&](const std::string& query) {
    std::string all;
    const json page = api.get("/v1/devices?" + query);
    for (const json& device : page["devices"]) all += device["id"].get<std::string>() + " ";
    return all;
  };
  CHECK(ids("group=Managed%20devices/Berlin") == "pc-2 ");
  CHECK(ids("group=Managed+devices%2fBerlin&limit=1") == "pc-2 ");
  CHECK(ids("tag=b%C3%BCro") == "pc-2 ");
  CHECK(ids("tag=a%2Bb&revoked=false") == "pc-2 ");
  CHECK(ids("tag=%zz") == "");
  CHECK(ids("revoked=true") == "");
  error_of(api.ask("GET", "/v1/devices?revoked=maybe"), 400);
}

TEST_CASE("api: groups are counted") {
  const Api api;
  REQUIRE(api.ask("PATCH", "/v1/devices/pc-2", R"({"group":"Managed devices/Berlin"})").status ==
          200);
  CHECK(api.get("/v1/groups")["groups"] ==
        json{{{"group", "Managed devices"}, {"devices", 2}},
             {{"group", "Managed devices/Berlin"}, {"devices", 1}}});
}

TEST_CASE("api: what a device reports of itself is shown") {
  const Api api;
  SocketDevice device(api.plain_port(), {.id = "pc-1"});
  device.go_online();
  device.send(publish_bytes(device.spec, mqtt::UpTopic::kState,
                            R"({"policy":{"revision":"r1","result":"applied"},"local":{"a.b":5}})",
                            3));
  CHECK(device.next_line() == "puback 3 0");
  api.server->store().drain();
  const json shown = api.get("/v1/devices/pc-1");
  CHECK(shown["policy"]["revision"] == "r1");
  CHECK(shown["policy"]["result"] == "applied");
  CHECK(shown["policy"]["since"].is_string());
  CHECK(shown["local_settings"] == json{{"a.b", "5"}});
}

TEST_CASE("api: while the server stops the registry is closed for changes") {
  const Api api;
  api.server->stop();
  error_of(api.ask("POST", "/v1/devices", R"({"id":"x"})"), 502);
  error_of(api.ask("PATCH", "/v1/devices/pc-1", "{}"), 502);
  error_of(api.ask("DELETE", "/v1/devices/pc-1"), 502);
  error_of(api.ask("POST", "/v1/devices/pc-1/certificate"), 502);
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
  REQUIRE(api.server->store().change_device(device_id("pc-2"), {.revoked = true}).has_value());
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

}  // namespace kscpush::test

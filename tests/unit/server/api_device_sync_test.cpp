// A change of a device in the registry, and who is told to synchronize because of it.
#include "core/site/load.hpp"
#include "policy/check.hpp"
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

constexpr std::string_view kSite = R"(version: 1
groups: [Managed devices/Berlin, Managed devices/Twin, Managed devices/Roaming]
distribution_points:
  - name: dp-1
    address: dp-1.example.com
    scope: {groups: [Managed devices]}
    push_server: {enabled: true}
policies:
  - name: Network Agent
    group: Managed devices
    settings: {connectivity: {network: {use_distribution_point_to_force_connection: !locked true}}}
    profiles:
      - name: Laptops
        condition: tags contains laptop
        settings: {connectivity: {network: {use_udp_port: !locked false}}}
  - name: Berlin
    group: Managed devices/Berlin
    settings: {connectivity: {schedule: {synchronization_interval: 30}}}
  - name: Roaming
    group: Managed devices/Roaming
    inherit: false
    settings: {connectivity: {schedule: {synchronization_interval: 60}}}
    profiles:
      - name: Laptops
        condition: tags contains laptop
        settings: {connectivity: {network: {use_udp_port: !locked false}}}
)";

site::Site load_site() {
  const auto document = yaml::Document::parse(std::string(kSite), "site.yaml");
  REQUIRE(document.has_value());
  Diagnostics diagnostics;
  site::Site site = site::load(*document, diagnostics);
  policy::check(site, diagnostics);
  REQUIRE_FALSE(has_errors(diagnostics));
  return site;
}

struct SyncApi : Api {
  explicit SyncApi(std::uint32_t pending_per_device = 50) {
    if (pending_per_device != files.config.dp.push_server.limits.pending_per_device) {
      files.config.dp.push_server.limits.pending_per_device = pending_per_device;
      restart();
    }
    api.reset();
    keeper = std::make_unique<server::SiteKeeper>(*server, server::RunningSite{{}, {}, load_site()},
                                                  files.folder.path(), silent_log());
    api = std::make_unique<AdminApi>(*server, *keeper,
                                     server::Authenticator::load(files.config.paths).value());
  }

  // What the answer says of the synchronization.
  [[nodiscard]] json change(const std::string& device, const std::string& body) const {
    const auto response = ask("PATCH", "/v1/devices/" + device, body);
    REQUIRE(response.status == 200);
    return json::parse(response.body).at("sync");
  }
  [[nodiscard]] json pushes(const std::string& device) const {
    return get("/v1/pushes?device=" + device).at("pushes");
  }
};

constexpr const char* kToBerlin = R"({"group":"Managed devices/Berlin"})";

}  // namespace

TEST_CASE("api: a device whose policy another group makes another is told to synchronize") {
  const SyncApi api;
  SocketDevice device(api.plain_port(), {.id = "pc-1"});
  device.go_online();
  const json sync = api.change("pc-1", kToBerlin);
  CHECK(sync["error"].is_null());
  CHECK(sync["push"]["kind"] == "sync");
  CHECK(sync["push"]["device"] == "pc-1");
  CHECK(device.next_line() == "publish 1 sync " + sync["push"]["id"].get<std::string>());
  CHECK(api.pushes("pc-2").empty());
}

TEST_CASE("api: changes of a device that waits leave one push, as those of apply do") {
  const SyncApi api;
  const json first = api.change("pc-1", kToBerlin);
  const json second = api.change("pc-1", R"({"add_tags":["laptop"]})");
  CHECK(first["push"]["id"] != second["push"]["id"]);
  const json pushes = api.pushes("pc-1");
  REQUIRE(pushes.size() == 2);
  CHECK(pushes[0]["state"] == "stored");
  CHECK(pushes[1]["state"] == "superseded");
}

TEST_CASE("api: a device is not told of what makes its policy no other") {
  const SyncApi api;
  for (const char* body : {R"({"group":"Managed devices/Twin"})", R"({"add_tags":["vip"]})",
                           R"({"platform":"linux"})", R"({"address":"10.0.0.1"})", "{}"}) {
    CAPTURE(body);
    CHECK(api.change("pc-1", body).is_null());
  }
  CHECK(api.pushes("pc-1").empty());
}

TEST_CASE("api: a device is not told when that is not wanted, or it may not be here") {
  const SyncApi api;
  CHECK(api.change("pc-1", R"({"group":"Managed devices/Berlin","sync":false})").is_null());
  CHECK(api.change("pc-2", R"({"group":"Managed devices/Berlin","revoked":true})").is_null());
  CHECK(api.pushes("pc-1").empty());
  CHECK(api.pushes("pc-2").empty());
  error_of(api.ask("PATCH", "/v1/devices/pc-1", R"({"sync":"no"})"), 400);
}

TEST_CASE("api: a device that comes at intervals is told only that it shall stay, or go") {
  const SyncApi api;
  CHECK_FALSE(api.change("pc-1", R"({"group":"Managed devices/Roaming"})").is_null());
  CHECK(api.change("pc-1", R"({"add_tags":["laptop"]})").is_null());
  CHECK_FALSE(api.change("pc-1", R"({"group":"Managed devices"})").is_null());
}

TEST_CASE("api: a change holds though the push for it is refused, which is said") {
  const SyncApi api(/*pending_per_device=*/1);
  REQUIRE(api.ask("POST", "/v1/devices/pc-1/pushes", R"({"kind":"stats","ttl":60})").status == 202);
  const json sync = api.change("pc-1", kToBerlin);
  CHECK(sync["push"].is_null());
  CHECK(sync["error"]["code"] == "overloaded");
  CHECK(api.get("/v1/devices/pc-1")["group"] == "Managed devices/Berlin");
}

}  // namespace kscpush::test

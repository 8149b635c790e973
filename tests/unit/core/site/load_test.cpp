#include "core/site/load.hpp"

#include <algorithm>

#include <doctest/doctest.h>

namespace kscpush::site {
namespace {

struct Loaded {
  Site site;
  Diagnostics diagnostics;

  // "LINE:COLUMN: message" of every finding.
  [[nodiscard]] std::vector<std::string> findings() const {
    std::vector<std::string> all;
    for (const Diagnostic& d : diagnostics) {
      all.push_back(fmt::format("{}:{}: {}", d.origin.line, d.origin.column, d.message));
    }
    return all;
  }
};

Loaded load_text(const std::string& text) {
  const auto document = yaml::Document::parse(text, "site.yaml");
  REQUIRE(document.has_value());
  Loaded loaded;
  loaded.site = load(*document, loaded.diagnostics);
  return loaded;
}

using Findings = std::vector<std::string>;

}  // namespace

TEST_CASE("a whole site is read, and what is absent has its default") {
  const auto loaded = load_text(R"(version: 1
administration_server: {address: ksc.example.com, tls_port: 13001, open_api_port: 13298}
groups:
  - Managed devices/Berlin
  - Managed devices/Berlin/Plant A
distribution_points:
  - name: dp-berlin-1
    address: dp-berlin-1.example.com
    scope: {groups: [Managed devices/Berlin]}
    push_server:
      enabled: true
      plain_listener: 127.0.0.1:1883
      subscribe_inbox: true
      limits: {keep_alive_max_s: 600}
policies:
  - name: Network Agent
    group: Managed devices
    settings:
      connectivity:
        network:
          use_distribution_point_to_force_connection: !locked true
)");
  CHECK(loaded.findings() == Findings{});
  CHECK(loaded.site.administration_server.address == "ksc.example.com");
  CHECK(loaded.site.administration_server.tls_port.port.value() == 13001);
  CHECK(loaded.site.administration_server.open_api_port.port.value() == 13298);
  CHECK(loaded.site.administration_server.port.port.value() == 14000);
  REQUIRE(loaded.site.distribution_points.size() == 1);
  const DistributionPoint& dp = loaded.site.distribution_points[0];
  CHECK(dp.push_server.enabled);
  CHECK(dp.push_server.port.value() == 13295);
  CHECK(dp.push_server.max_connections == 50'000);
  CHECK(dp.push_server.admin.listen.port.value() == 13299);
  CHECK(dp.push_server.plain_listener->host == "127.0.0.1");
  CHECK(dp.push_server.subscribe_inbox);
  CHECK_FALSE(PushServer{}.subscribe_inbox);
  CHECK(dp.push_server.limits.keep_alive_max_s == 600);
  REQUIRE(loaded.site.policies.size() == 1);
  const Policy& policy = loaded.site.policies[0];
  CHECK(policy.status == PolicyStatus::kActive);
  CHECK(policy.inherit);
  REQUIRE(policy.settings.size() == 1);
  CHECK(policy.settings[0].path ==
        "connectivity.network.use_distribution_point_to_force_connection");
  CHECK(policy.settings[0].locked);
  CHECK(policy.settings[0].origin.line == 21);
}

TEST_CASE("every error is reported, each with its line and column") {
  const auto loaded = load_text(R"(version: 1
groups: [Managed devices/Berlin, Berlin, Managed devices/Berlin]
distribution_points:
  - name: dp-1
    scope: {groups: [Managed devices/Berlim]}
    push_server: {enabled: yes please, port: 70000, max_connection: 5}
  - name: dp-1
policies:
  - name: A
    group: Managed devices
    status: actif
)");
  CHECK(loaded.findings() ==
        Findings{
            "6:28: enabled must be true or false, not 'yes please'",
            "6:46: port: port 70000 is out of range",
            "6:53: unknown key 'max_connection' in push_server; did you mean 'max_connections'?",
            "11:13: status must be active, inactive or out_of_office, not 'actif'",
            "2:34: group 'Berlin' is not below 'Managed devices'",
            "2:42: group 'Managed devices/Berlin' is declared twice, first at site.yaml:2:10",
            "5:22: the scope of 'dp-1' names group 'Managed devices/Berlim', which is not "
            "declared; did you mean 'Managed devices/Berlin'?",
            "7:5: two distribution points are named 'dp-1', the first at site.yaml:4:5",
        });
}

TEST_CASE("plain listener and admin API stay on loopback") {
  const auto loaded = load_text(R"(version: 1
distribution_points:
  - name: dp-1
    push_server:
      plain_listener: 0.0.0.0:1883
      admin: {listen: "10.0.0.1:13299"}
)");
  CHECK(loaded.findings() == Findings{"5:23: plain_listener of 'dp-1' is not on a loopback address",
                                      "6:23: admin.listen of 'dp-1' is not on a loopback address"});
}

TEST_CASE("one active policy per group, inactive ones do not count") {
  const std::string two = R"(version: 1
policies:
  - {name: A, group: Managed devices, status: active}
  - {name: B, group: Managed devices, status: STATUS}
)";
  const auto with = [&](const std::string& status) {
    std::string text = two;
    return load_text(text.replace(text.find("STATUS"), 6, status)).findings();
  };
  CHECK(with("inactive") == Findings{});
  CHECK(with("out_of_office") == Findings{});
  CHECK(with("active") == Findings{"4:5: group 'Managed devices' has two active policies, 'A' "
                                   "(site.yaml:3:5) and 'B'"});
}

TEST_CASE("an empty file and a missing version say what to do") {
  CHECK(load_text("").findings() == Findings{"0:0: the file is empty"});
  CHECK(load_text("groups: []\n").findings() == Findings{"1:1: 'version' is missing"});
  CHECK(load_text("version: 2\n").findings() ==
        Findings{"1:10: version must be a number from 1 to 1, not '2'"});
}

TEST_CASE("a setting's tag is !locked or none") {
  CHECK(load_text(R"(version: 1
policies:
  - name: A
    group: Managed devices
    settings: {a: !lokced true}
)")
            .findings() == Findings{"5:19: unknown tag '!lokced' on a setting"});
}

TEST_CASE("aliases of aliases in settings end in bounded time") {
  std::string text =
      "version: 1\npolicies:\n  - name: A\n    group: Managed devices\n    settings:\n";
  text += "      a0: &a0 {x: 1, y: 2, z: 3, u: 4, v: 5, w: 6, r: 7, s: 8, t: 9}\n";
  for (int i = 1; i < 12; ++i) {
    std::string line = fmt::format("      a{0}: &a{0} {{", i);
    for (int j = 0; j < 9; ++j) line += fmt::format("{}k{}: *a{}", j ? ", " : "", j, i - 1);
    text += line + "}\n";
  }
  const auto loaded = load_text(text);
  CHECK(has_errors(loaded.diagnostics));
  CHECK(loaded.site.policies[0].settings.size() <= 10'010);
}

TEST_CASE("a list within settings is one setting, its canonical text independent of style") {
  const auto value_of = [](const std::string& list) {
    const auto loaded = load_text(
        "version: 1\npolicies:\n  - name: A\n    group: Managed devices\n    settings:\n"
        "      list: " +
        list);
    CHECK(loaded.findings() == Findings{});
    const auto& settings = loaded.site.policies[0].settings;
    REQUIRE(settings.size() == 1);
    CHECK(settings[0].shape == SettingValue::Shape::kList);
    return settings[0].value;
  };
  CHECK(value_of("[b, 'a', 7, True, \"7\", ~]\n") == R"(["b","a",7,true,"7",null])");
  CHECK(value_of("\n        - z: 1\n          a: [x]\n") == R"([{"a":["x"],"z":1}])");
  CHECK(value_of("[{a: [x], z: 1}]  # flow\n") == R"([{"a":["x"],"z":1}])");
  CHECK(value_of("!locked []\n") == "[]");
}

TEST_CASE("the items of a list know their places, a lock within a list is an error") {
  const auto loaded = load_text(R"(version: 1
policies:
  - name: A
    group: Managed devices
    settings:
      list: !locked
        - one
        - {name: two}
        - !locked three
)");
  CHECK(loaded.findings() == Findings{"9:11: the tag '!locked' cannot stand within a list"});
  const Setting& list = loaded.site.policies[0].settings.at(0);
  CHECK(list.locked);
  CHECK(list.items.at(0).origin.line == 7);
  CHECK(list.items.at(1).items.at(0).key == "name");
  CHECK(list.items.at(1).items.at(0).origin.column == 18);
}

TEST_CASE("aliases of aliases in lists of settings end in bounded time") {
  std::string text =
      "version: 1\npolicies:\n  - name: A\n    group: Managed devices\n    settings:\n"
      "      a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
  for (int i = 1; i < 40; ++i) {
    std::string line = fmt::format("      a{0}: &a{0} [", i);
    for (int j = 0; j < 9; ++j) line += fmt::format("{}*a{}", j ? ", " : "", i - 1);
    text += line + "]\n";
  }
  CHECK(has_errors(load_text(text).diagnostics));
}

TEST_CASE("network locations: subnets, names, what is missing") {
  CHECK(load_text(R"(version: 1
distribution_points:
  - name: dp-1
    scope:
      network_locations:
        - {name: Lab, subnets: [10.20.0.0/16, "2001:db8::/32", 192.0.2.7]}
        - {name: Lab, subnets: [10.21.0.0/33]}
        - {name: Empty}
        - subnets: [10.0.0.0/8]
)")
            .findings() == Findings{"7:33: '10.21.0.0/33' is not a network",
                                    "7:11: 'dp-1' has two network locations named 'Lab'",
                                    "8:11: network location 'Empty' of 'dp-1' has no subnets",
                                    "9:11: a network location of 'dp-1' has no name"});
}

TEST_CASE("a device is in scope by its group, or by its network location if it runs Windows") {
  const auto loaded = load_text(R"(version: 1
groups: [Managed devices/A]
distribution_points:
  - name: dp-1
    scope:
      groups: [Managed devices/A]
      network_locations: [{name: Lab, subnets: [10.20.0.0/16]}]
)");
  const DistributionPoint& dp = loaded.site.distribution_points.at(0);
  const auto in = [&](std::string_view group, std::string_view platform, std::string_view address) {
    return in_scope(dp, Whereabouts{group, platform, address});
  };
  CHECK(in("Managed devices/A", "linux", ""));
  CHECK(in("Managed devices", "windows", "10.20.3.4"));
  CHECK(in("Managed devices", "Windows 11", "10.20.3.4"));
  CHECK_FALSE(in("Managed devices", "linux", "10.20.3.4"));
  CHECK_FALSE(in("Managed devices", "", "10.20.3.4"));
  CHECK_FALSE(in("Managed devices", "windows", "10.21.3.4"));
  CHECK_FALSE(in("Managed devices", "windows", ""));
  CHECK_FALSE(in_scope(dp, "Managed devices"));
  CHECK(location_of(dp, {"Managed devices", "windows", "10.20.0.1"})->name == "Lab");
}

TEST_CASE("groups: within, parent, scope") {
  CHECK(within_group("Managed devices/Berlin", "Managed devices"));
  CHECK(within_group("Managed devices", "Managed devices"));
  CHECK_FALSE(within_group("Managed devices/Berlin 2", "Managed devices/Berlin"));
  CHECK_FALSE(within_group("Managed devices", "Managed devices/Berlin"));
  CHECK(parent_group("Managed devices/Berlin") == "Managed devices");
  CHECK_FALSE(parent_group("Managed devices").has_value());
}

}  // namespace kscpush::site

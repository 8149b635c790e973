#include "core/site/load.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/site/check.hpp"

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
administration_server: {address: ksc.example.com, tls_port: 13000}
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
  REQUIRE(loaded.site.distribution_points.size() == 1);
  const DistributionPoint& dp = loaded.site.distribution_points[0];
  CHECK(dp.push_server.enabled);
  CHECK(dp.push_server.port.value() == 13295);
  CHECK(dp.push_server.max_connections == 50'000);
  CHECK(dp.push_server.admin.listen.port.value() == 13299);
  CHECK(dp.push_server.plain_listener->host == "127.0.0.1");
  CHECK(dp.push_server.limits.keep_alive_max_s == 600);
  REQUIRE(loaded.site.policies.size() == 1);
  const Policy& policy = loaded.site.policies[0];
  CHECK(policy.status == PolicyStatus::kActive);
  CHECK(policy.inherit);
  REQUIRE(policy.settings.size() == 1);
  CHECK(policy.settings[0].path ==
        "connectivity.network.use_distribution_point_to_force_connection");
  CHECK(policy.settings[0].locked);
  CHECK(policy.settings[0].origin.line == 20);
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

TEST_CASE("a port of another service of the distribution point is refused, where it stands") {
  for (const char* port : {"13000", "13111", "15000", "15001", "15111", "17111"}) {
    CAPTURE(port);
    const auto loaded = load_text(fmt::format(
        "version: 1\ndistribution_points:\n  - name: dp-1\n    push_server: {{port: {}}}\n", port));
    REQUIRE(loaded.diagnostics.size() == 1);
    CHECK(loaded.diagnostics[0].origin.line == 4);
    CHECK(loaded.diagnostics[0].origin.column == 25);
    CHECK(loaded.diagnostics[0].message.find("is the port of") != std::string::npos);
  }
}

TEST_CASE("ports of one distribution point that collide") {
  const auto loaded = load_text(R"(version: 1
distribution_points:
  - name: dp-1
    push_server:
      port: 13299
)");
  CHECK(loaded.findings() ==
        Findings{"5:13: port 13299 on 'dp-1' is used by the push server and by its admin API"});
}

TEST_CASE("plain listener and admin API stay on loopback") {
  const auto loaded = load_text(R"(version: 1
distribution_points:
  - name: dp-1
    push_server:
      plain_listener: 0.0.0.0:1883
      admin: {listen: "10.0.0.1:13299"}
)");
  CHECK(loaded.findings() == Findings{"5:7: plain_listener of 'dp-1' is not on a loopback address",
                                      "5:7: admin.listen of 'dp-1' is not on a loopback address"});
}

TEST_CASE("one active policy per group; inactive ones do not count") {
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

TEST_CASE("groups: within, parent, scope") {
  CHECK(within_group("Managed devices/Berlin", "Managed devices"));
  CHECK(within_group("Managed devices", "Managed devices"));
  CHECK_FALSE(within_group("Managed devices/Berlin 2", "Managed devices/Berlin"));
  CHECK_FALSE(within_group("Managed devices", "Managed devices/Berlin"));
  CHECK(parent_group("Managed devices/Berlin") == "Managed devices");
  CHECK_FALSE(parent_group("Managed devices").has_value());
}

}  // namespace kscpush::site

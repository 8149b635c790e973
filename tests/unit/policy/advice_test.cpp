// What is legal but will not work, in the words of the rule that each warning stands for.
#include "policy/advice.hpp"

#include <doctest/doctest.h>

#include "core/site/load.hpp"
#include "policy/check.hpp"

namespace kscpush::policy {
namespace {

using Lines = std::vector<std::string>;

// "LINE: message" of every warning; the site must hold.
Lines warnings(const std::string& text, const DevicesByGroup* devices = nullptr) {
  const auto document = yaml::Document::parse("version: 1\n" + text, "site.yaml");
  REQUIRE(document.has_value());
  Diagnostics diagnostics;
  const site::Site site = site::load(*document, diagnostics);
  check(site, diagnostics);
  for (const Diagnostic& d : diagnostics) FAIL(to_string(d.origin) << ": " << d.message);
  advise(site, devices, diagnostics);
  Lines lines;
  for (const Diagnostic& d : diagnostics) {
    CHECK(d.severity == Severity::kWarning);
    CHECK_FALSE(d.hint.empty());
    lines.push_back(fmt::format("{}: {}", d.origin.line, d.message));
  }
  return lines;
}

std::string points(const std::string& list) {
  return "groups: [Managed devices/A, Managed devices/B]\ndistribution_points:\n" + list;
}

std::string dp(const std::string& name, const std::string& scope, const std::string& server) {
  return fmt::format("  - {{name: {}, scope: {{{}}}, push_server: {{{}}}}}\n", name, scope, server);
}

const std::string kScope = "groups: [Managed devices]";

std::string policy(const std::string& option, const std::string& group = "Managed devices") {
  return fmt::format(
      "policies:\n  - name: P\n    group: {}\n    settings: {{connectivity: {{network: "
      "{{use_distribution_point_to_force_connection: {}}}}}}}\n",
      group, option);
}

const std::string kOn = "!locked true";

}  // namespace

TEST_CASE("a site in which both halves are in place has no warnings") {
  CHECK(warnings(points(dp("a", kScope, "enabled: true")) + policy(kOn)) == Lines{});
}

TEST_CASE("push server on while no policy in its scope has the option effective and locked") {
  const std::string expected =
      "4: the push server of 'a' is on, but no policy in its scope has force-via-dp on and locked";
  const std::string on = points(dp("a", kScope, "enabled: true"));
  CHECK(warnings(on) == Lines{expected});
  CHECK(warnings(on + policy("!locked false")) == Lines{expected});
  CHECK(
      warnings(on + policy("true")) ==
      Lines{expected, "8: force-via-dp is on in policy 'P', but open: a device may overwrite it"});
  CHECK(warnings(points(dp("a", kScope, "enabled: false")) + policy("false")) == Lines{});
  // The policy of one group of the scope is enough.
  CHECK(warnings(on + policy(kOn, "Managed devices/A")) == Lines{});
  CHECK(warnings(points(dp("a", "groups: [Managed devices/B]", "enabled: true")) +
                 policy(kOn, "Managed devices/A"))
            .at(0) == expected);
}

TEST_CASE("option on while no distribution point in reach runs a push server") {
  const std::string expected =
      "8: force-via-dp is on in policy 'P', but no distribution point in reach of group 'Managed "
      "devices' runs a push server";
  CHECK(warnings(points(dp("a", kScope, "enabled: false")) + policy(kOn)) == Lines{expected});
  // One that serves a subgroup is in reach of some devices of the policy.
  CHECK(warnings(points(dp("a", "groups: [Managed devices/A]", "enabled: true")) + policy(kOn)) ==
        Lines{});
  CHECK(warnings(points(dp("a", "groups: [Managed devices/A]", "enabled: true")) +
                 policy(kOn, "Managed devices/B"))
            .size() == 2);
}

TEST_CASE("a scope that contains nothing") {
  CHECK(warnings(points(dp("a", "groups: []", "enabled: false"))) ==
        Lines{"4: the scope of 'a' contains nothing"});
}

TEST_CASE("a scope of nothing but network locations serves Windows devices alone") {
  const std::string locations = "network_locations: [{name: Lab, subnets: [10.0.0.0/8]}]";
  CHECK(warnings(points(dp("a", locations, "enabled: true")) + policy(kOn)) ==
        Lines{"4: the scope of 'a' has network locations only, which only Windows devices can "
              "determine: it serves no other device"});
  CHECK(warnings(points(dp("a", kScope + ", " + locations, "enabled: true")) + policy(kOn)) ==
        Lines{});
}

TEST_CASE("port collisions that are none yet: the number of a service that is off, or of UDP") {
  CHECK(warnings(points(dp("a", kScope, "enabled: true, port: 17111")) + policy(kOn)) ==
        Lines{"4: the push server of 'a' has port 17111, usually that of the KSN proxy over TLS "
              "(TCP)"});
  CHECK(warnings(points(dp("a", kScope, "enabled: true, port: 15001")) + policy(kOn)) ==
        Lines{"4: the push server of 'a' has port 15001, usually that of multicast (UDP)"});
}

TEST_CASE("more devices than max_connections") {
  const DevicesByGroup devices{{"Managed devices", 101}};
  CHECK(warnings(points(dp("a", kScope, "enabled: true, max_connections: 100")) + policy(kOn),
                 &devices) ==
        Lines{"4: group 'Managed devices' has 101 devices, its push servers carry 100 "
              "connections"});
  const DevicesByGroup fits{{"Managed devices", 100}};
  CHECK(warnings(points(dp("a", kScope, "enabled: true, max_connections: 100")) + policy(kOn),
                 &fits) == Lines{});
}

TEST_CASE("more devices than max_connections, though each group of the scope would fit") {
  const DevicesByGroup devices{{"Managed devices/A", 80}, {"Managed devices/B", 80}};
  CHECK(warnings(points(dp("a", "groups: [Managed devices/A, Managed devices/B]",
                           "enabled: true, max_connections: 100")) +
                     policy(kOn),
                 &devices) ==
        Lines{"4: all groups of 'a' together give it 160 devices, it carries 100 connections"});
}

TEST_CASE("a group that does not survive the loss of its largest distribution point") {
  const std::string two = points(dp("a", kScope, "enabled: true, max_connections: 100") +
                                 dp("b", kScope, "enabled: true, max_connections: 50"));
  const DevicesByGroup devices{{"Managed devices", 51}};
  CHECK(warnings(two + policy(kOn), &devices) ==
        Lines{"4: group 'Managed devices' does not survive the loss of its largest push server: 51 "
              "devices, 50 connections without it"});
  const DevicesByGroup fewer{{"Managed devices", 50}};
  CHECK(warnings(two + policy(kOn), &fewer) == Lines{});
}

TEST_CASE("agents may connect at given intervals, but none are given") {
  const auto scheduled = [](const std::string& more) {
    return "policies:\n  - name: P\n    group: Managed devices\n    settings: {connectivity: "
           "{schedule: {connect: at_given_intervals" +
           more + "}}}\n";
  };
  CHECK(warnings(scheduled("")) ==
        Lines{"5: policy 'P' lets agents connect at given intervals, but gives none"});
  CHECK(warnings(scheduled(", intervals: [\"22:00-06:00\"]")) == Lines{});
}

}  // namespace kscpush::policy

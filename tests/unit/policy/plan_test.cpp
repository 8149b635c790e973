#include "policy/plan.hpp"

#include <doctest/doctest.h>

#include "core/site/load.hpp"
#include "policy/check.hpp"

namespace kscpush::policy {
namespace {

site::Site load_text(const std::string& text) {
  const auto document = yaml::Document::parse(text, "site.yaml");
  REQUIRE(document.has_value());
  Diagnostics diagnostics;
  site::Site site = site::load(*document, diagnostics);
  check(site, diagnostics);
  for (const Diagnostic& d : diagnostics) MESSAGE(to_string(d.origin), ": ", d.message);
  REQUIRE(diagnostics.empty());
  return site;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const std::string kSite = R"(version: 1
administration_server: {address: ksc.example.com}
groups:
  - Managed devices/Berlin
  - Managed devices/Paris
distribution_points:
  - name: dp-1
    address: dp-1.example.com
    scope: {groups: [Managed devices/Berlin]}
    push_server: {enabled: true, port: 13295}
policies:
  - name: Network Agent
    group: Managed devices
    settings:
      connectivity:
        network:
          use_udp_port: true
    profiles:
      - name: Laptops
        condition: tags contains laptop
        settings: {connectivity: {network: {use_ssl: !locked true}}}
  - name: Paris
    group: Managed devices/Paris
    settings: {}
)";

// Two devices in Berlin, of which one is a laptop, and one in Paris.
Plan plan(const std::string& before, const std::string& after) {
  const site::Site from = load_text(before);
  const site::Site to = load_text(after);
  Planner planner(from, to);
  const std::vector<std::string> laptop{"laptop"};
  planner.look_at({"pc-1", "Managed devices/Berlin", "", "", {}});
  planner.look_at({"pc-2", "Managed devices/Berlin", "", "", laptop});
  planner.look_at({"pc-3", "Managed devices/Paris", "", "", {}});
  return planner.finish();
}

std::vector<std::string> lines(const Plan& plan) {
  std::vector<std::string> all;
  for (const Change& change : plan.changes) {
    all.push_back(fmt::format("{} {}{}{} [{}]", to_string(change.action), change.subject,
                              change.what.empty() ? "" : ": ", change.what, change.devices));
  }
  return all;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a configuration that only looks different changes nothing") {
  auto other = replaced(kSite, "push_server: {enabled: true, port: 13295}",
                        "push_server:   # on\n      enabled: true");
  other = replaced(other, "    settings: {}\n", "    inherit: true\n    settings:\n");
  const Plan same = plan(kSite, other);
  CHECK(same.empty());
  CHECK(same.devices == 0);
}

TEST_CASE("removals come first, then changes, then additions") {
  auto after = replaced(kSite, "  - Managed devices/Paris\n", "  - Managed devices/Rome\n");
  after =
      replaced(after, "  - name: Paris\n    group: Managed devices/Paris\n    settings: {}\n", "");
  after = replaced(after, "port: 13295", "port: 13296");
  CHECK(lines(plan(kSite, after)) ==
        Lines{"remove group 'Managed devices/Paris' [1]",
              "remove policy 'Paris' of group 'Managed devices/Paris' [0]",
              "change distribution point 'dp-1': push server port: 13295 -> 13296 [2]",
              "add group 'Managed devices/Rome' [0]"});
}

TEST_CASE("a device whose group is removed is an orphan") {
  auto after = replaced(kSite, "  - Managed devices/Paris\n", "");
  after =
      replaced(after, "  - name: Paris\n    group: Managed devices/Paris\n    settings: {}\n", "");
  CHECK(plan(kSite, after).orphans == 1);
}

TEST_CASE("a changed setting concerns the devices whose effective policy changes") {
  const Plan changed =
      plan(kSite, replaced(kSite, "use_udp_port: true", "use_udp_port: !locked false"));
  CHECK(lines(changed) ==
        Lines{"change policy 'Network Agent' of group 'Managed devices': "
              "connectivity.network.use_udp_port: true, open -> false, locked [3]"});
  CHECK(changed.policy_changes == 3);
  CHECK(changed.policy_changes_by_group ==
        decltype(changed.policy_changes_by_group){{"Managed devices/Berlin", 2},
                                                  {"Managed devices/Paris", 1}});
  CHECK(changed.examples == Lines{"pc-1", "pc-2", "pc-3"});
}

TEST_CASE("a changed profile concerns only the devices on which it is active") {
  const Plan changed =
      plan(kSite, replaced(kSite, "use_ssl: !locked true", "use_ssl: !locked false"));
  CHECK(lines(changed) ==
        Lines{"change profile 'Laptops' of policy 'Network Agent' of group 'Managed devices': "
              "connectivity.network.use_ssl: true, locked -> false, locked [1]"});
  CHECK(changed.examples == Lines{"pc-2"});
}

TEST_CASE("settings that come and go are told with their value") {
  const Plan changed = plan(kSite, replaced(kSite, "use_udp_port: true", "udp_port: 15002"));
  CHECK(lines(changed) == Lines{"remove policy 'Network Agent' of group 'Managed devices': "
                                "connectivity.network.use_udp_port: true, open [3]",
                                "add policy 'Network Agent' of group 'Managed devices': "
                                "connectivity.network.udp_port: 15002, open [3]"});
}

TEST_CASE("a scope that loses its groups leaves devices without a push server") {
  const Plan changed = plan(kSite, replaced(kSite, "groups: [Managed devices/Berlin]",
                                            "groups: [Managed devices/Paris]"));
  CHECK(lines(changed) ==
        Lines{"remove distribution point 'dp-1': scope group 'Managed devices/Berlin' [3]",
              "add distribution point 'dp-1': scope group 'Managed devices/Paris' [3]"});
  CHECK(changed.lost == 2);
  CHECK(changed.gained == 1);
  CHECK(changed.moved == 0);
  CHECK(changed.policy_changes == 0);
}

TEST_CASE("a second push server takes over a share of the devices") {
  const Plan changed = plan(kSite, replaced(kSite, "policies:\n", R"(  - name: dp-2
    address: dp-2.example.com
    scope: {groups: [Managed devices/Berlin]}
    push_server: {enabled: true}
policies:
)"));
  CHECK(lines(changed) == Lines{"add distribution point 'dp-2' [2]"});
  CHECK(changed.lost + changed.gained == 0);
  // Who does not change to it has it behind the other.
  CHECK(changed.moved + changed.relisted == 2);
}

TEST_CASE("a device is given other servers when they listen elsewhere, not when they take more") {
  const site::Site from = load_text(kSite);
  const auto differs = [&](const std::string& text, const std::string& other) {
    const site::Site to = load_text(replaced(kSite, text, other));
    Planner planner(from, to);
    const Differs found = planner.look_at({"pc-1", "Managed devices/Berlin", "", "", {}});
    CHECK_FALSE(found.policy);
    CHECK(planner.finish().relisted == (found.servers ? 1 : 0));
    return found.servers;
  };
  CHECK(differs("port: 13295", "port: 13296"));
  CHECK(differs("dp-1.example.com", "dp-1.example.org"));
  CHECK_FALSE(differs("port: 13295", "max_connections: 7"));
}

TEST_CASE("profiles that change places are told by their rank") {
  const std::string second = R"(      - name: Away
        condition: tags contains away
        settings: {connectivity: {network: {use_ssl: !locked false}}}
)";
  const std::string first_place =
      replaced(kSite, "      - name: Laptops\n", second + "      - name: Laptops\n");
  const std::string second_place =
      replaced(kSite, "  - name: Paris\n", second + "  - name: Paris\n");
  CHECK(lines(plan(first_place, second_place)) ==
        Lines{"change policy 'Network Agent' of group 'Managed devices': "
              "rank of its profiles: Away, Laptops -> Laptops, Away [0]"});
}

TEST_CASE("a change names the place in the new configuration, a removal that in the old one") {
  const std::string after =
      replaced(kSite, "          use_udp_port: true\n", "          use_ssl: true\n");
  const Plan changed = plan(kSite, after);
  REQUIRE(changed.changes.size() == 2);
  CHECK(to_string(changed.changes[0].origin) == "site.yaml:17:25");
  CHECK(to_string(changed.changes[1].origin) == "site.yaml:17:20");
}

}  // namespace kscpush::policy

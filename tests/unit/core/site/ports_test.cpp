#include "core/site/ports.hpp"

#include <doctest/doctest.h>

#include "core/site/load.hpp"

namespace kscpush::site {
namespace {

// "LINE:COLUMN: message" of what is wrong with one distribution point, its lines indented by four.
std::vector<std::string> findings(const std::string& lines) {
  const auto document =
      yaml::Document::parse("version: 1\ndistribution_points:\n  - name: dp-1\n" + lines, "s.yaml");
  REQUIRE(document.has_value());
  Diagnostics diagnostics;
  (void)load(*document, diagnostics);
  std::vector<std::string> all;
  for (const Diagnostic& d : diagnostics) {
    all.push_back(fmt::format("{}:{}: {}", d.origin.line, d.origin.column, d.message));
  }
  return all;
}

using Findings = std::vector<std::string>;

}  // namespace

TEST_CASE("ports: with everything on and nothing changed the product's ports do not collide") {
  CHECK(findings("    push_server: {enabled: true}\n"
                 "    connection_gateway: {enabled: true}\n"
                 "    ksn_proxy: {enabled: true, use_tls: true}\n"
                 "    multicast: {enabled: true}\n") == Findings{});
}

TEST_CASE("ports: an error names both services with both places") {
  CHECK(findings("    push_server: {port: 13000}\n") ==
        Findings{"4:25: TCP port 13000 on 'dp-1' is used by the push server (s.yaml:4:25) and by "
                 "the port for agents (its default, s.yaml:3:5)"});
  CHECK(findings("    push_server: {port: 13111}\n    ksn_proxy: {enabled: true}\n") ==
        Findings{"4:25: TCP port 13111 on 'dp-1' is used by the push server (s.yaml:4:25) and by "
                 "the KSN proxy (its default, s.yaml:5:16)"});
  CHECK(findings("    agent: {tls_port: 13295}\n    push_server: {enabled: true}\n") ==
        Findings{"4:23: TCP port 13295 on 'dp-1' is used by the port for agents (s.yaml:4:23) and "
                 "by the push server (its default, s.yaml:5:18)"});
  CHECK(findings("    push_server: {port: 13299}\n") ==
        Findings{"4:25: TCP port 13299 on 'dp-1' is used by the push server (s.yaml:4:25) and by "
                 "its admin API (its default, s.yaml:4:18)"});
  CHECK(findings("    push_server: {plain_listener: \"127.0.0.1:13295\"}\n") ==
        Findings{"4:35: TCP port 13295 on 'dp-1' is used by its plain listener (s.yaml:4:35) and "
                 "by the push server (its default, s.yaml:4:18)"});
}

TEST_CASE("ports: KSN proxy and multicast take theirs only when they are enabled") {
  CHECK(findings("    push_server: {port: 13111}\n") == Findings{});
  CHECK(findings("    push_server: {port: 17111}\n    ksn_proxy: {enabled: true}\n") == Findings{});
  CHECK(findings("    push_server: {port: 17111}\n    ksn_proxy: {enabled: true, use_tls: true}\n")
            .size() == 1);
  CHECK(findings("    agent: {udp_port: 15001}\n") == Findings{});
  CHECK(findings("    agent: {udp_port: 15001}\n    multicast: {enabled: true}\n") ==
        Findings{"4:23: UDP port 15001 on 'dp-1' is used by the agent's wake-up (s.yaml:4:23) and "
                 "by multicast (its default, s.yaml:5:16)"});
}

TEST_CASE("ports: TCP and UDP are separate") {
  CHECK(findings("    push_server: {port: 15000}\n") == Findings{});
  CHECK(
      findings("    push_server: {enabled: true}\n    multicast: {enabled: true, port: 13295}\n") ==
      Findings{});
}

TEST_CASE("ports: a gateway shares the port for agents, another one of its own counts") {
  CHECK(findings("    connection_gateway: {enabled: true, port: 13295}\n"
                 "    push_server: {enabled: true}\n") ==
        Findings{"4:47: TCP port 13295 on 'dp-1' is used by the connection gateway (s.yaml:4:47) "
                 "and by the push server (its default, s.yaml:5:18)"});
  CHECK(findings("    connection_gateway: {enabled: true, port: 13005}\n"
                 "    agent: {tls_port: 13005}\n") == Findings{});
}

TEST_CASE("ports: of the Administration Server") {
  const auto document = yaml::Document::parse(
      "version: 1\nadministration_server: {tls_port: 14000, udp_port: 14000}\n", "s.yaml");
  Diagnostics diagnostics;
  (void)load(*document, diagnostics);
  REQUIRE(diagnostics.size() == 1);
  CHECK(diagnostics[0].message ==
        "TCP port 14000 on the Administration Server is used by tls_port (s.yaml:2:35) and by port "
        "(its default, s.yaml:2:24)");
}

}  // namespace kscpush::site

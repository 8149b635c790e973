#include "core/site/parts.hpp"

namespace kscpush::site {
namespace {

using yaml::Node;

Reader::Field flag(Reader& reader, std::string_view what, bool& target) {
  return {what, [&reader, what, &target](const Node& v) { reader.read(v, what, target); }};
}

Reader::Field port(Reader& reader, std::string_view what, PlacedPort& target) {
  return {what, [&reader, what, &target](const Node& v) {
            target.origin = reader.origin(v);
            reader.read(v, what, target.port);
          }};
}

NetworkLocation read_network_location(Reader& reader, const Node& node) {
  NetworkLocation location;
  location.origin = reader.origin(node);
  const auto subnet = [&](const Node& v, std::size_t) {
    NetworkLocation::Subnet read;
    reader.read(v, "a subnet", read.text);
    if (read.text.empty()) return;
    if (const auto network = IpNetwork::parse(read.text)) {
      read.network = *network;
    } else {
      reader.error(v, fmt::format("'{}' is not a network", read.text.substr(0, 80)),
                   "write it like 10.20.0.0/16, 192.0.2.7 or 2001:db8::/32");
    }
    location.subnets.push_back(std::move(read));
  };
  reader.mapping(node, "a network location",
                 {{"name", [&](auto& v) { reader.read(v, "name", location.name); }},
                  {"subnets", [&](auto& v) { reader.sequence(v, "subnets", subnet); }}});
  return location;
}

void read_scope(Reader& reader, const Node& node, DistributionPoint& dp) {
  const auto group = [&](const Node& v, std::size_t) {
    read_group(reader, v, "scope.groups", dp.scope_groups);
  };
  const auto location = [&](const Node& v, std::size_t) {
    dp.network_locations.push_back(read_network_location(reader, v));
  };
  reader.mapping(
      node, "scope",
      {{"groups", [&](auto& v) { reader.sequence(v, "groups", group); }},
       {"network_locations", [&](auto& v) { reader.sequence(v, "network_locations", location); }}});
}

void read_ksn_proxy(Reader& reader, const Node& node, KsnProxy& proxy) {
  proxy.origin = reader.origin(node);
  reader.mapping(node, "ksn_proxy",
                 {flag(reader, "enabled", proxy.enabled), port(reader, "tcp_port", proxy.tcp_port),
                  port(reader, "udp_port", proxy.udp_port), flag(reader, "use_tls", proxy.use_tls),
                  port(reader, "tls_port", proxy.tls_port)});
}

// What has a switch and one port.
template <class Service>
void read_service(Reader& reader, const Node& node, std::string_view what, Service& service) {
  service.origin = reader.origin(node);
  reader.mapping(node, what,
                 {flag(reader, "enabled", service.enabled), port(reader, "port", service.port)});
}

}  // namespace

void read_group(Reader& reader, const Node& node, std::string_view what,
                std::vector<Group>& groups) {
  Group group{"", reader.origin(node)};
  reader.read(node, what, group.path);
  if (group.path.empty()) {
    // Anything else than a text has been reported.
    if (reader.resolve(node).kind == yaml::Kind::kScalar) {
      reader.error(node, fmt::format("{} must not be empty", what));
    }
    return;
  }
  groups.push_back(std::move(group));
}

AdministrationServer read_administration_server(Reader& reader, const Node& node) {
  AdministrationServer server;
  server.origin = reader.origin(node);
  reader.mapping(node, "administration_server",
                 {{"address", [&](auto& v) { reader.read(v, "address", server.address); }},
                  port(reader, "tls_port", server.tls_port),
                  port(reader, "udp_port", server.udp_port),
                  port(reader, "port", server.port),
                  port(reader, "console_port", server.console_port),
                  port(reader, "mobile_port", server.mobile_port),
                  port(reader, "kasperskyos_port", server.kasperskyos_port),
                  port(reader, "open_api_port", server.open_api_port),
                  port(reader, "packages_port", server.packages_port),
                  port(reader, "packages_tls_port", server.packages_tls_port)});
  return server;
}

DistributionPoint read_distribution_point(Reader& reader, const Node& node) {
  DistributionPoint dp;
  dp.origin = reader.origin(node);
  reader.mapping(
      node, "a distribution point",
      {{"name", [&](auto& v) { reader.read(v, "name", dp.name); }},
       {"address", [&](auto& v) { reader.read(v, "address", dp.address); }},
       {"scope", [&](auto& v) { read_scope(reader, v, dp); }},
       {"push_server", [&](auto& v) { read_push_server(reader, v, dp.push_server); }},
       {"agent",
        [&](auto& v) {
          reader.mapping(v, "agent",
                         {port(reader, "tls_port", dp.agent.tls_port),
                          port(reader, "udp_port", dp.agent.udp_port)});
        }},
       {"connection_gateway",
        [&](auto& v) { read_service(reader, v, "connection_gateway", dp.connection_gateway); }},
       {"ksn_proxy", [&](auto& v) { read_ksn_proxy(reader, v, dp.ksn_proxy); }},
       {"multicast", [&](auto& v) { read_service(reader, v, "multicast", dp.multicast); }},
       {"max_devices",
        [&](auto& v) { reader.read(v, "max_devices", dp.max_devices, 1, 10'000'000); }}});
  return dp;
}

}  // namespace kscpush::site

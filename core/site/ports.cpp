#include "core/site/ports.hpp"

#include <fmt/format.h>

namespace kscpush::site {
namespace {

constexpr std::string_view kPushServer = "the push server";

class Ports {
 public:
  explicit Ports(const Origin& owner) : owner_(owner) {}

  void add(Transport transport, const PlacedPort& port, std::string_view service,
           const Origin& section) {
    const bool is_default = port.origin.line == 0;
    ports_.push_back({transport, port.port, service,
                      !is_default        ? port.origin
                      : section.line > 0 ? section
                                         : owner_,
                      is_default});
  }
  void tcp(const PlacedPort& port, std::string_view service, const Origin& section) {
    add(Transport::kTcp, port, service, section);
  }
  void udp(const PlacedPort& port, std::string_view service, const Origin& section) {
    add(Transport::kUdp, port, service, section);
  }

  std::vector<UsedPort> take() { return std::move(ports_); }

 private:
  Origin owner_;
  std::vector<UsedPort> ports_;
};

std::string place(const UsedPort& used) {
  return fmt::format("{} ({}{})", used.service, used.is_default ? "its default, " : "",
                     to_string(used.origin));
}

}  // namespace

std::string_view to_string(Transport transport) {
  return transport == Transport::kTcp ? "TCP" : "UDP";
}

std::vector<UsedPort> used_ports(const DistributionPoint& dp) {
  Ports ports(dp.origin);
  ports.tcp(dp.agent.tls_port, "the port for agents", dp.origin);
  ports.udp(dp.agent.udp_port, "the agent's wake-up", dp.origin);
  // Gateway and agents share their port: connections through the gateway are those of agents.
  const ConnectionGateway& gateway = dp.connection_gateway;
  if (gateway.enabled && gateway.port.port != dp.agent.tls_port.port) {
    ports.tcp(gateway.port, "the connection gateway", gateway.origin);
  }
  if (dp.ksn_proxy.enabled) {
    const KsnProxy& proxy = dp.ksn_proxy;
    ports.tcp(proxy.tcp_port, "the KSN proxy", proxy.origin);
    ports.udp(proxy.udp_port, "the KSN proxy", proxy.origin);
    if (proxy.use_tls) ports.tcp(proxy.tls_port, "the KSN proxy over TLS", proxy.origin);
  }
  if (dp.multicast.enabled) ports.udp(dp.multicast.port, "multicast", dp.multicast.origin);
  const PushServer& server = dp.push_server;
  if (server.origin.line == 0 && !server.enabled) return ports.take();
  ports.tcp({server.port, server.port_origin}, kPushServer, server.origin);
  ports.tcp({server.admin.listen.port, server.admin.origin}, "its admin API", server.origin);
  if (server.plain_listener) {
    ports.tcp({server.plain_listener->port, server.plain_origin}, "its plain listener",
              server.origin);
  }
  return ports.take();
}

std::vector<UsedPort> used_ports(const AdministrationServer& server) {
  Ports ports(server.origin);
  ports.tcp(server.tls_port, "tls_port", server.origin);
  ports.tcp(server.port, "port", server.origin);
  ports.tcp(server.console_port, "console_port", server.origin);
  ports.tcp(server.mobile_port, "mobile_port", server.origin);
  ports.tcp(server.kasperskyos_port, "kasperskyos_port", server.origin);
  ports.tcp(server.open_api_port, "open_api_port", server.origin);
  ports.tcp(server.packages_port, "packages_port", server.origin);
  ports.tcp(server.packages_tls_port, "packages_tls_port", server.origin);
  ports.udp(server.udp_port, "udp_port", server.origin);
  return ports.take();
}

void check_ports(std::string_view owner, const std::vector<UsedPort>& ports,
                 Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const UsedPort& a = ports[j];
      const UsedPort& b = ports[i];
      if (a.transport != b.transport || a.port != b.port) continue;
      // At the number that was chosen; a default did not know better.
      const UsedPort& chosen = b.is_default && !a.is_default ? a : b;
      const UsedPort& other = &chosen == &b ? a : b;
      diagnostics.push_back(
          {Severity::kError, chosen.origin,
           fmt::format("{} port {} on {} is used by {} and by {}", to_string(a.transport),
                       a.port.value(), owner, place(chosen), place(other)),
           chosen.service == kPushServer
               ? fmt::format("any port that is free will do: kscpush dp set {} --port PORT", owner)
               : "give one of them another port"});
    }
  }
}

}  // namespace kscpush::site

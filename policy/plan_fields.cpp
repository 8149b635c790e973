#include "policy/plan_fields.hpp"

#include <fmt/format.h>

namespace kscpush::policy {
namespace {

std::string on_off(bool value) {
  return value ? "on" : "off";
}

// What is empty stands for a default that depends on the distribution point's name.
std::string path_or_default(const std::string& path) {
  return path.empty() ? "(default)" : path;
}

std::string address(const site::ListenAddress& listen) {
  return fmt::format("{}:{}", listen.host, listen.port.value());
}

void add_limits(const site::ServerLimits& limits, std::vector<Field>& fields) {
  const auto number = [&](std::string_view name, std::uint32_t value) {
    fields.push_back({fmt::format("push server limits.{}", name), std::to_string(value)});
  };
  number("handshakes_in_flight", limits.handshakes_in_flight);
  number("handshake_timeout_s", limits.handshake_timeout_s);
  number("keep_alive_max_s", limits.keep_alive_max_s);
  number("session_expiry_max_s", limits.session_expiry_max_s);
  number("pending_per_device", limits.pending_per_device);
  number("history_days", limits.history_days);
  number("database_mib", limits.database_mib);
  number("message_bytes", limits.message_bytes);
  number("unsent_bytes", limits.unsent_bytes);
  number("slow_reader_timeout_s", limits.slow_reader_timeout_s);
  number("inbound_bytes_per_s", limits.inbound_bytes_per_s);
  number("shards", limits.shards);
  fields.push_back({"push server limits.park_idle_tls", on_off(limits.park_idle_tls)});
}

Field port(std::string label, const site::PlacedPort& placed) {
  return {std::move(label), std::to_string(placed.port.value()), placed.origin};
}

void add_services(const site::DistributionPoint& dp, std::vector<Field>& fields) {
  const std::initializer_list<Field> services{
      port("port of agents, TLS", dp.agent.tls_port),
      port("port of agents, UDP", dp.agent.udp_port),
      {"connection gateway", on_off(dp.connection_gateway.enabled), dp.connection_gateway.origin},
      port("connection gateway port", dp.connection_gateway.port),
      {"KSN proxy", on_off(dp.ksn_proxy.enabled), dp.ksn_proxy.origin},
      port("KSN proxy TCP port", dp.ksn_proxy.tcp_port),
      port("KSN proxy UDP port", dp.ksn_proxy.udp_port),
      {"KSN proxy use_tls", on_off(dp.ksn_proxy.use_tls), dp.ksn_proxy.origin},
      port("KSN proxy TLS port", dp.ksn_proxy.tls_port),
      {"multicast", on_off(dp.multicast.enabled), dp.multicast.origin},
      port("multicast port", dp.multicast.port),
      {"max_devices", std::to_string(dp.max_devices)},
  };
  fields.insert(fields.end(), services);
}

std::string subnets(const site::NetworkLocation& location) {
  std::vector<std::string> texts;
  for (const auto& subnet : location.subnets) texts.push_back(subnet.text);
  return fmt::format("{}", fmt::join(texts, ", "));
}

void add_settings(const std::vector<site::Setting>& settings, std::vector<Field>& fields) {
  for (const site::Setting& setting : settings) {
    fields.push_back({setting.path,
                      fmt::format("{}, {}", setting.value, setting.locked ? "locked" : "open"),
                      setting.origin});
  }
}

}  // namespace

std::vector<Field> fields(const site::Site& site) {
  const site::AdministrationServer& server = site.administration_server;
  return {{"address", server.address, server.origin},
          port("TLS port", server.tls_port),
          port("UDP port", server.udp_port),
          port("port without TLS", server.port),
          port("console port", server.console_port),
          port("port of mobile devices", server.mobile_port),
          port("port of UEFI and KasperskyOS devices", server.kasperskyos_port),
          port("Open API port", server.open_api_port),
          port("packages port", server.packages_port),
          port("packages TLS port", server.packages_tls_port)};
}

std::vector<Field> fields(const site::DistributionPoint& dp) {
  const site::PushServer& server = dp.push_server;
  std::vector<Field> all{
      {"address", dp.address},
      {"push server", on_off(server.enabled), server.origin},
      {"push server port", std::to_string(server.port.value()), server.port_origin},
      {"push server max_connections", std::to_string(server.max_connections)},
      {"push server listen", server.listen},
      {"push server plain_listener",
       server.plain_listener ? address(*server.plain_listener) : "none"},
      {"push server subscribe_inbox", on_off(server.subscribe_inbox)},
      {"push server tls.certificate", path_or_default(server.tls.certificate)},
      {"push server tls.key", path_or_default(server.tls.key)},
      {"push server tls.client_ca", path_or_default(server.tls.client_ca)},
      {"push server tls.crl", server.tls.crl.empty() ? "none" : server.tls.crl},
      {"push server admin.listen", address(server.admin.listen)},
      {"push server admin.token_file", path_or_default(server.admin.token_file)},
      {"push server admin.operator_token_file", path_or_default(server.admin.operator_token_file)},
      {"push server admin.viewer_token_file", path_or_default(server.admin.viewer_token_file)},
      {"push server admin.requests_per_second", std::to_string(server.admin.requests_per_second)},
      {"push server state_directory", path_or_default(server.state_directory)},
  };
  add_limits(server.limits, all);
  add_services(dp, all);
  for (const site::Group& group : dp.scope_groups) {
    all.push_back({fmt::format("scope group '{}'", group.path), "", group.origin});
  }
  for (const site::NetworkLocation& location : dp.network_locations) {
    all.push_back(
        {fmt::format("network location '{}'", location.name), subnets(location), location.origin});
  }
  return all;
}

std::vector<Field> fields(const site::Policy& policy) {
  std::vector<Field> all{
      {"status", std::string(to_string(policy.status))},
      {"inherit settings from parent policy", on_off(policy.inherit)},
      {"force inheritance of settings in child policies", on_off(policy.force_inheritance)},
  };
  add_settings(policy.settings, all);
  return all;
}

std::vector<Field> fields(const site::Profile& profile) {
  std::vector<Field> all{{"condition", profile.condition, profile.condition_origin}};
  add_settings(profile.settings, all);
  return all;
}

}  // namespace kscpush::policy

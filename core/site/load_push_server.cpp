#include "core/site/parts.hpp"

namespace kscpush::site {
namespace {

using yaml::Node;

void read_listen(Reader& reader, const Node& node, std::string_view what, ListenAddress& target) {
  std::string text;
  reader.read(node, what, text);
  if (text.empty()) return;
  const std::size_t colon = text.rfind(':');
  const auto port = Port::parse(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (colon == 0 || !port) {
    reader.error(node, fmt::format("{} must be ADDRESS:PORT, not '{}'", what, text),
                 "for example 127.0.0.1:13299, or [::1]:13299");
    return;
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  target = ListenAddress{std::move(host), *port};
}

void read_tls(Reader& reader, const Node& node, Tls& tls) {
  reader.mapping(node, "tls",
                 {{"certificate", [&](auto& v) { reader.read(v, "certificate", tls.certificate); }},
                  {"key", [&](auto& v) { reader.read(v, "key", tls.key); }},
                  {"client_ca", [&](auto& v) { reader.read(v, "client_ca", tls.client_ca); }},
                  {"crl", [&](auto& v) { reader.read(v, "crl", tls.crl); }}});
}

void read_admin(Reader& reader, const Node& node, Admin& admin) {
  reader.mapping(
      node, "admin",
      {{"listen",
        [&](auto& v) {
          admin.origin = reader.origin(v);
          read_listen(reader, v, "admin.listen", admin.listen);
        }},
       {"token_file", [&](auto& v) { reader.read(v, "token_file", admin.token_file); }},
       {"operator_token_file",
        [&](auto& v) { reader.read(v, "operator_token_file", admin.operator_token_file); }},
       {"viewer_token_file",
        [&](auto& v) { reader.read(v, "viewer_token_file", admin.viewer_token_file); }},
       {"requests_per_second", [&](auto& v) {
          reader.read(v, "admin.requests_per_second", admin.requests_per_second, 1, 1'000'000);
        }}});
}

void read_limits(Reader& reader, const Node& node, ServerLimits& limits) {
  const auto number = [&](std::string_view what, std::uint32_t& target, std::uint32_t least,
                          std::uint32_t most) -> Reader::Field {
    return {what, [&reader, what, &target, least, most](const Node& v) {
              reader.read(v, fmt::format("limits.{}", what), target, least, most);
            }};
  };
  reader.mapping(node, "limits",
                 {number("handshakes_in_flight", limits.handshakes_in_flight, 1, 100'000),
                  number("handshake_timeout_s", limits.handshake_timeout_s, 1, 300),
                  number("keep_alive_max_s", limits.keep_alive_max_s, 5, 65'535),
                  number("session_expiry_max_s", limits.session_expiry_max_s, 0, 30 * 86'400),
                  number("pending_per_device", limits.pending_per_device, 1, 10'000),
                  number("history_days", limits.history_days, 1, 3'650),
                  number("database_mib", limits.database_mib, 16, 16'777'216),
                  number("message_bytes", limits.message_bytes, 1'024, 1'048'576),
                  number("unsent_bytes", limits.unsent_bytes, 4'096, 16'777'216),
                  number("slow_reader_timeout_s", limits.slow_reader_timeout_s, 1, 3'600),
                  number("inbound_bytes_per_s", limits.inbound_bytes_per_s, 4'096, 8'388'608),
                  number("shards", limits.shards, 0, 256),
                  {"park_idle_tls", [&](auto& v) {
                     reader.read(v, "limits.park_idle_tls", limits.park_idle_tls);
                   }}});
}

}  // namespace

void read_push_server(Reader& reader, const Node& node, PushServer& server) {
  server.origin = reader.origin(node);
  reader.mapping(
      node, "push_server",
      {{"enabled", [&](auto& v) { reader.read(v, "enabled", server.enabled); }},
       {"port",
        [&](auto& v) {
          server.port_origin = reader.origin(v);
          reader.read(v, "port", server.port);
        }},
       {"max_connections",
        [&](auto& v) { reader.read(v, "max_connections", server.max_connections, 1, 10'000'000); }},
       {"listen", [&](auto& v) { reader.read(v, "listen", server.listen); }},
       {"plain_listener",
        [&](auto& v) {
          server.plain_origin = reader.origin(v);
          read_listen(reader, v, "plain_listener",
                      server.plain_listener.emplace(ListenAddress{"", kPushServerPort}));
          if (server.plain_listener->host.empty()) server.plain_listener.reset();
        }},
       {"subscribe_inbox",
        [&](auto& v) { reader.read(v, "subscribe_inbox", server.subscribe_inbox); }},
       {"tls", [&](auto& v) { read_tls(reader, v, server.tls); }},
       {"admin", [&](auto& v) { read_admin(reader, v, server.admin); }},
       {"state_directory",
        [&](auto& v) { reader.read(v, "state_directory", server.state_directory); }},
       {"limits", [&](auto& v) { read_limits(reader, v, server.limits); }}});
}

}  // namespace kscpush::site

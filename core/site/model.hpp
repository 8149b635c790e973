// The site configuration as values: groups, distribution points, Network Agent policies.
//
// What is here has been read and holds together (core/site/load.hpp); where a key was absent, the
// default stands. Paths are as written in the file; SiteFiles resolves them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostic.hpp"
#include "core/ids.hpp"

namespace kscpush::site {

// The root of all administration groups; always there, never declared.
inline constexpr std::string_view kRootGroup = "Managed devices";

// The product's ports on a distribution point (domain: Ports).
inline constexpr Port kPushServerPort = Port::of<13295>();
inline constexpr std::uint32_t kMaxConnections = 50'000;

// Where an entry of groups, distribution_points or policies is written: in which of the
// configuration's files (Sources::document), as which item of that file's list.
struct Place {
  std::size_t document = 0;
  std::size_t index = 0;
};

// An administration group, by its path from the root: "Managed devices/Berlin".
struct Group {
  std::string path;
  Origin origin;
  Place place{};  // of a declared one
};

struct ListenAddress {
  std::string host;
  Port port;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

struct Tls {
  std::string certificate;  // empty: pki/NAME.crt
  std::string key;          // empty: pki/NAME.key
  std::string client_ca;    // empty: pki/ca.crt
};

struct Admin {
  ListenAddress listen{"127.0.0.1", Port::of<13299>()};
  std::string token_file;           // role admin; empty: pki/admin.token
  std::string operator_token_file;  // role operator; empty: none
  std::string viewer_token_file;    // role viewer; empty: none
};

struct ServerLimits {
  std::uint32_t handshakes_in_flight = 256;  // per shard; further connections wait in the backlog
  std::uint32_t handshake_timeout_s = 10;    // TLS and CONNECT together
  std::uint32_t keep_alive_max_s = 3600;
  std::uint32_t session_expiry_max_s = 48 * 3600;
  std::uint32_t pending_per_device = 50;
  std::uint32_t message_bytes = 64 * 1024;
  std::uint32_t unsent_bytes = 64 * 1024;    // per connection; then it gets nothing more
  std::uint32_t slow_reader_timeout_s = 30;  // unsent bytes, and none taken for so long: closed
  std::uint32_t shards = 0;                  // 0: one per core
};

struct PushServer {
  bool enabled = false;
  Port port = kPushServerPort;
  std::uint32_t max_connections = kMaxConnections;
  std::string listen = "0.0.0.0";
  std::optional<ListenAddress> plain_listener;  // loopback only
  Tls tls;
  Admin admin;
  std::string state_directory;  // empty: state/NAME
  ServerLimits limits;
  Origin origin;       // line 0: the file does not mention the push server
  Origin port_origin;  // the same for its port
};

struct DistributionPoint {
  std::string name;
  std::string address;
  std::vector<Group> scope_groups;  // each with all its subgroups
  PushServer push_server;
  Place place;
  Origin origin;
};

// A setting as written: "connectivity.network.use_udp_port" -> "true", locked or open. What it
// means is the policy folder's business.
struct Setting {
  std::string path;
  std::string value;
  bool quoted = false;
  bool scalar = true;
  bool locked = false;
  Origin origin;
};

// A policy profile: settings that act on top of the policy's while a condition holds. They are
// always locked.
struct Profile {
  std::string name;
  std::string condition;  // policy/condition.hpp
  std::vector<Setting> settings;
  Origin origin;
  Origin condition_origin;
};
inline constexpr std::size_t kMostProfiles = 100;  // of one policy, as in the product

enum class PolicyStatus : std::uint8_t { kActive, kInactive, kOutOfOffice };
[[nodiscard]] std::string_view to_string(PolicyStatus status);

struct Policy {
  std::string name;
  std::string group;
  PolicyStatus status = PolicyStatus::kActive;
  bool inherit = true;
  bool force_inheritance = false;
  std::vector<Setting> settings;
  std::vector<Profile> profiles;  // the highest in the list wins
  Place place;
  Origin origin;

  [[nodiscard]] const Setting* find(std::string_view path) const;
};

struct Site {
  std::string administration_server;  // address; empty if not given
  Port administration_server_port = Port::of<13000>();
  std::vector<Group> groups;  // declared ones; the root is implied
  std::vector<DistributionPoint> distribution_points;
  std::vector<Policy> policies;

  [[nodiscard]] const DistributionPoint* find_distribution_point(std::string_view name) const;
  [[nodiscard]] bool has_group(std::string_view group) const;
};

// GROUP itself or a subgroup of ANCESTOR.
[[nodiscard]] bool within_group(std::string_view group, std::string_view ancestor);
// "Managed devices/Berlin" -> "Managed devices"; nothing for the root.
[[nodiscard]] std::optional<std::string_view> parent_group(std::string_view group);
// Whether devices of GROUP are in the scope of the distribution point.
[[nodiscard]] bool in_scope(const DistributionPoint& dp, std::string_view group);

}  // namespace kscpush::site

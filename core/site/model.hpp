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
#include "core/network.hpp"

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
  std::string crl;          // empty: none
};

struct Admin {
  ListenAddress listen{"127.0.0.1", Port::of<13299>()};
  std::string token_file;           // role admin; empty: pki/admin.token
  std::string operator_token_file;  // role operator; empty: none
  std::string viewer_token_file;    // role viewer; empty: none
  // Of each role, and of each address that shows no token.
  std::uint32_t requests_per_second = 10'000;
  Origin origin{};  // of listen; line 0: the file does not mention it
};

struct ServerLimits {
  std::uint32_t handshakes_in_flight = 256;  // per shard; further connections wait in the backlog
  std::uint32_t handshake_timeout_s = 10;    // TLS and CONNECT together
  std::uint32_t keep_alive_max_s = 3600;
  std::uint32_t session_expiry_max_s = 48 * 3600;
  std::uint32_t pending_per_device = 50;
  std::uint32_t history_days = 7;  // pushes that have ended are kept for so long
  std::uint32_t database_mib = 4096;
  std::uint32_t message_bytes = 64 * 1024;
  std::uint32_t unsent_bytes = 64 * 1024;    // per connection; then it gets nothing more
  std::uint32_t slow_reader_timeout_s = 30;  // unsent bytes, and none taken for so long: closed
  std::uint32_t inbound_bytes_per_s = 256 * 1024;  // of a device; then it is read on a second later
  std::uint32_t shards = 0;                        // 0: one per core
  bool park_idle_tls = true;  // TLS 1.3 connections give up OpenSSL's object after the handshake
};

struct PushServer {
  bool enabled = false;
  Port port = kPushServerPort;
  std::uint32_t max_connections = kMaxConnections;
  std::string listen = "0.0.0.0";
  std::optional<ListenAddress> plain_listener;  // loopback only
  // A device whose session begins anew has its inbox subscribed at QoS 1 before it asks.
  bool subscribe_inbox = false;
  Tls tls;
  Admin admin;
  std::string state_directory;  // empty: state/NAME
  ServerLimits limits;
  Origin origin;       // line 0: the file does not mention the push server
  Origin port_origin;  // the same for its port
  Origin plain_origin;
};

// A port, and where the file gives it; line 0: it does not, the product's default stands.
struct PlacedPort {
  Port port;
  Origin origin{};
};

// A network location as the product has it: a place in the network that a device recognizes. Of the
// product's conditions this program knows the subnets, as it can judge these from outside.
struct NetworkLocation {
  struct Subnet {
    std::string text;  // "10.20.0.0/16"
    IpNetwork network;
  };
  std::string name;
  std::vector<Subnet> subnets;
  Origin origin;
};

// What agents use of a distribution point, whatever else is on.
struct AgentPorts {
  PlacedPort tls_port{Port::of<13000>()};
  PlacedPort udp_port{Port::of<15000>()};
};

struct ConnectionGateway {
  bool enabled = false;
  PlacedPort port{Port::of<13000>()};  // usually the one that agents use anyway
  Origin origin{};                     // line 0: the file does not mention it
};

struct KsnProxy {
  bool enabled = false;
  PlacedPort tcp_port{Port::of<13111>()};
  PlacedPort udp_port{Port::of<15111>()};
  bool use_tls = false;
  PlacedPort tls_port{Port::of<17111>()};
  Origin origin{};
};

struct Multicast {
  bool enabled = false;
  PlacedPort port{Port::of<15001>()};
  Origin origin{};
};

// Devices that a distribution point's hardware should serve at most; a gateway's limit is its own
// and the same (domain: Sizing).
inline constexpr std::uint32_t kDevicesPerPoint = 10'000;
inline constexpr std::uint32_t kDevicesPerGateway = 10'000;

struct DistributionPoint {
  std::string name;
  std::string address;
  std::vector<Group> scope_groups;  // each with all its subgroups
  std::vector<NetworkLocation> network_locations;
  PushServer push_server;
  AgentPorts agent;
  ConnectionGateway connection_gateway;
  KsnProxy ksn_proxy;
  Multicast multicast;
  std::uint32_t max_devices = kDevicesPerPoint;  // a yardstick: reported, never enforced
  Place place;
  Origin origin;
};

// A value as written.
struct SettingValue {
  enum class Shape : std::uint8_t { kNothing, kScalar, kList, kMapping };
  Shape shape = Shape::kScalar;
  // Of a scalar its text. Of a list its canonical text, in which lists that say the same are equal:
  // JSON, keys in order.
  std::string value;
  bool quoted = false;
  std::string key{};                  // of a field in a mapping
  std::vector<SettingValue> items{};  // of a list; of a mapping its fields
  Origin origin{};
};

// A setting: "connectivity.network.use_udp_port" -> "true", locked or open. What it means is the
// policy folder's business.
struct Setting : SettingValue {
  std::string path;
  bool locked = false;
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

// Where the Administration Server is and listens: for people and documents, nothing here connects.
struct AdministrationServer {
  std::string address{};  // empty if not given
  PlacedPort tls_port{Port::of<13000>()};
  PlacedPort udp_port{Port::of<13000>()};  // notices of devices that shut down
  PlacedPort port{Port::of<14000>()};      // agents without TLS
  PlacedPort console_port{Port::of<13291>()};
  PlacedPort mobile_port{Port::of<13292>()};
  PlacedPort kasperskyos_port{Port::of<13294>()};  // UEFI and KasperskyOS devices
  PlacedPort open_api_port{Port::of<13299>()};
  PlacedPort packages_port{Port::of<8060>()};
  PlacedPort packages_tls_port{Port::of<8061>()};
  Origin origin{};
};

struct Site {
  AdministrationServer administration_server;
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

// What of a device decides on scopes; empty for what is not known.
struct Whereabouts {
  std::string_view group{};
  std::string_view platform{};
  std::string_view address{};
};
// The network location of the distribution point that the device is in, or nullptr. Only Windows
// devices (platform "windows...") can determine theirs.
[[nodiscard]] const NetworkLocation* location_of(const DistributionPoint& dp,
                                                 const Whereabouts& device);
// By its group, or by its network location.
[[nodiscard]] bool in_scope(const DistributionPoint& dp, const Whereabouts& device);
// The same of a device of which only the group is known.
[[nodiscard]] bool in_scope(const DistributionPoint& dp, std::string_view group);

}  // namespace kscpush::site

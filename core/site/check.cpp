#include "core/site/check.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "core/site/ports.hpp"

namespace kscpush::site {
namespace {

class Checker {
 public:
  Checker(const Site& site, Diagnostics& diagnostics) : site_(site), diagnostics_(diagnostics) {}

  void run() {
    if (site_.administration_server.origin.line > 0) {
      check_ports("the Administration Server", used_ports(site_.administration_server),
                  diagnostics_);
    }
    for (const Group& group : site_.groups) check_group(group.path, group.origin);
    for (const DistributionPoint& dp : site_.distribution_points) check_dp(dp);
    for (const Policy& policy : site_.policies) check_policy(policy);
  }

 private:
  void error(const Origin& origin, std::string message, std::string hint = "") {
    diagnostics_.push_back({Severity::kError, origin, std::move(message), std::move(hint)});
  }

  [[nodiscard]] std::vector<std::string> known_groups() const {
    std::vector<std::string> names{std::string(kRootGroup)};
    for (const Group& group : site_.groups) names.push_back(group.path);
    return names;
  }

  void check_group(const std::string& group, const Origin& origin) {
    const auto [at, fresh] = seen_groups_.emplace(group, &origin);
    if (!fresh) {
      error(origin, fmt::format("group '{}' is declared twice, first at {}", group,
                                to_string(*at->second)));
    }
    const auto parent = parent_group(group);
    if (!parent || !within_group(group, kRootGroup)) {
      error(origin, fmt::format("group '{}' is not below '{}'", group, kRootGroup),
            fmt::format("write '{}/{}'", kRootGroup, group));
    } else if (!site_.has_group(*parent)) {
      error(origin, fmt::format("the parent of group '{}' is not declared", group),
            fmt::format("add '{}' to groups", *parent));
    }
  }

  void check_known_group(const std::string& group, const Origin& origin, std::string_view owner) {
    if (site_.has_group(group)) return;
    error(origin,
          fmt::format("{} names group '{}', which is not declared{}", owner, group,
                      suggestion(group, known_groups())),
          "declare it under groups");
  }

  void check_dp(const DistributionPoint& dp) {
    const auto [at, fresh] = seen_dps_.emplace(dp.name, &dp.origin);
    if (dp.name.empty()) {
      error(dp.origin, "a distribution point has no name");
    } else if (!fresh) {
      error(dp.origin, fmt::format("two distribution points are named '{}', the first at {}",
                                   dp.name, to_string(*at->second)));
    } else if (dp.name.find_first_of("/\\\n") != std::string::npos || dp.name[0] == '.') {
      error(dp.origin, fmt::format("'{}' cannot name a distribution point", dp.name),
            "its name is used for file names: no slash, no dot at the front");
    }
    if (!host_like(dp.address)) {
      error(dp.origin,
            fmt::format("the address of '{}' is neither a host name nor an IP address: '{}'",
                        dp.name, dp.address.substr(0, 80)),
            "devices connect to it: write it like dp.example.com or 192.0.2.1");
    }
    for (const Group& group : dp.scope_groups) {
      check_known_group(group.path, group.origin, fmt::format("the scope of '{}'", dp.name));
    }
    for (const NetworkLocation& location : dp.network_locations) {
      check_network_location(dp, location);
    }
    check_loopback(dp);
    check_ports(fmt::format("'{}'", dp.name), used_ports(dp), diagnostics_);
  }

  void check_network_location(const DistributionPoint& dp, const NetworkLocation& location) {
    if (location.name.empty()) {
      error(location.origin, fmt::format("a network location of '{}' has no name", dp.name));
    }
    if (location.subnets.empty()) {
      error(location.origin,
            fmt::format("network location '{}' of '{}' has no subnets", location.name, dp.name),
            "for example: subnets: [10.20.0.0/16]");
    }
    for (const NetworkLocation& other : dp.network_locations) {
      if (&other == &location) break;
      if (other.name != location.name || other.name.empty()) continue;
      error(location.origin,
            fmt::format("'{}' has two network locations named '{}'", dp.name, location.name));
      break;
    }
  }

  void check_loopback(const DistributionPoint& dp) {
    const PushServer& server = dp.push_server;
    if (server.plain_listener && !loopback(server.plain_listener->host)) {
      error(server.plain_origin,
            fmt::format("plain_listener of '{}' is not on a loopback address", dp.name),
            "without TLS anyone could pose as any device: use 127.0.0.1 or [::1]");
    }
    if (!loopback(server.admin.listen.host)) {
      error(server.admin.origin,
            fmt::format("admin.listen of '{}' is not on a loopback address", dp.name),
            "the admin API speaks HTTP without TLS: use 127.0.0.1 or [::1], and a tunnel or a "
            "TLS-terminating proxy to reach it from elsewhere");
    }
  }

  // Only what can be neither is told apart here; absent is fine.
  static bool host_like(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
    });
  }

  static bool loopback(std::string_view host) {
    return host.starts_with("127.") || host == "::1" || host == "localhost";
  }

  void check_policy(const Policy& policy) {
    if (policy.name.empty()) error(policy.origin, "a policy has no name");
    if (policy.group.empty()) {
      error(policy.origin, fmt::format("policy '{}' has no group", policy.name));
      return;
    }
    check_known_group(policy.group, policy.origin, fmt::format("policy '{}'", policy.name));
    const auto [same, unique] =
        seen_policies_.emplace(std::pair(policy.name, policy.group), &policy.origin);
    if (!unique) {
      error(policy.origin, fmt::format("two policies of group '{}' are named '{}', the first at {}",
                                       policy.group, policy.name, to_string(*same->second)));
    }
    if (policy.status != PolicyStatus::kActive) return;
    const auto [at, fresh] = active_.emplace(policy.group, &policy);
    if (!fresh) {
      error(policy.origin,
            fmt::format("group '{}' has two active policies, '{}' ({}) and '{}'", policy.group,
                        at->second->name, to_string(at->second->origin), policy.name),
            "one active policy per group: make one of them inactive");
    }
  }

  const Site& site_;
  Diagnostics& diagnostics_;
  std::map<std::string, const Origin*> seen_groups_;
  std::map<std::string, const Origin*> seen_dps_;
  std::map<std::pair<std::string, std::string>, const Origin*> seen_policies_;
  std::map<std::string, const Policy*> active_;
};

}  // namespace

void check(const Site& site, Diagnostics& diagnostics) {
  Checker(site, diagnostics).run();
}

}  // namespace kscpush::site

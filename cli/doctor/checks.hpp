// The checks of a host on which a push server runs, or shall run. Each reads what it needs and is
// bounded in time; none changes anything, and none uses the network but to look up names.
#pragma once

#include <filesystem>
#include <optional>

#include "cli/doctor/finding.hpp"
#include "core/clock.hpp"
#include "core/site/model.hpp"
#include "core/site/paths.hpp"

namespace kscpush::cli {

// Where the checks look: tests give folders of their own.
struct Host {
  std::filesystem::path proc = "/proc";
  std::vector<std::filesystem::path> units{"/etc/systemd/system", "/usr/lib/systemd/system",
                                           "/lib/systemd/system"};
};

// The process that listens on a port.
struct PortHolder {
  int pid = 0;       // 0: it is another user's, and cannot be seen
  std::string name;  // of its program
};
// Nothing when nobody listens on it.
[[nodiscard]] std::optional<PortHolder> port_holder(const Host& host, Port port);

// Whether the process that listens on the push server's port is the one that the lock of its state
// directory names: the site's own, even when it does not answer to this user.
[[nodiscard]] bool own_server_listens(const Host& host, const site::DistributionPoint& dp,
                                      const site::ServerPaths& paths);

// SERVING: the push server of DP runs.
[[nodiscard]] Findings check_ports(const Host& host, const site::DistributionPoint& dp,
                                   bool serving);
[[nodiscard]] Findings check_descriptors(const Host& host, const site::DistributionPoint& dp,
                                         bool serving);
[[nodiscard]] Findings check_backlog(const Host& host);
[[nodiscard]] Findings check_certificates(const site::DistributionPoint& dp,
                                          const site::ServerPaths& paths, WallTime now);
// Of the machine: against what it has written itself, and whether it is kept in step.
[[nodiscard]] Findings check_clock(const site::ServerPaths& paths, WallTime now);
[[nodiscard]] Findings check_disk(const site::DistributionPoint& dp,
                                  const site::ServerPaths& paths);
// Of the addresses of all distribution points.
[[nodiscard]] Findings check_names(const site::Site& site, const site::DistributionPoint& own);
[[nodiscard]] Findings check_firewall(const Host& host, const site::DistributionPoint& dp);

}  // namespace kscpush::cli

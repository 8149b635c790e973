// What the machine says of itself: /proc, /etc/os-release, statvfs, uname.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace kscpush::agent {

// ROOT: where /proc and /etc are. What cannot be read is left out.
//
//   {"hostname", "kernel", "architecture", "os": {"name", "id", "version"}, "uptime_s",
//    "cpus", "cpu_s": {"user", "system", "idle", "iowait", "other"}, "load": [1, 5, 15 minutes],
//    "memory": {"total", "available", "swap_total", "swap_free"},                     bytes
//    "disks": [{"mount", "device", "type", "total", "available", "inodes", "inodes_free"}],
//    "network": [{"name", "rx_bytes", "rx_packets", "rx_errors", "tx_bytes", ...}],
//    "processes"}
//
// At most 64 disks and network interfaces each. Only file systems on local devices are looked at:
// a server of files that does not answer would hold up the agent.
[[nodiscard]] nlohmann::json host_statistics(const std::filesystem::path& root = "/");

}  // namespace kscpush::agent

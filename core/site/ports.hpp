// Which ports the services of a distribution point, or of the Administration Server, take.
#pragma once

#include <string_view>
#include <vector>

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"

namespace kscpush::site {

// Each has ports of its own: TCP 15000 does not take UDP 15000 away.
enum class Transport : std::uint8_t { kTcp, kUdp };
[[nodiscard]] std::string_view to_string(Transport transport);  // "TCP", "UDP"

struct UsedPort {
  Transport transport = Transport::kTcp;
  Port port;
  std::string_view service;  // "the push server"
  Origin origin;             // of the number; of what it belongs to when it is a default
  bool is_default = false;
};

// Of what is on: agents always, gateway, KSN proxy and multicast when they are enabled; the push
// server when the file has one, on or off, so that switching it on never brings a collision up.
[[nodiscard]] std::vector<UsedPort> used_ports(const DistributionPoint& dp);
[[nodiscard]] std::vector<UsedPort> used_ports(const AdministrationServer& server);

// An error for every two services of OWNER ("'dp-1'") with one port, naming both with their places.
void check_ports(std::string_view owner, const std::vector<UsedPort>& ports,
                 Diagnostics& diagnostics);

}  // namespace kscpush::site

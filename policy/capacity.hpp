// Whether the push servers of a site carry its devices, also when the largest one is lost.
//
// Limits that have nothing to do with each other are reported apart: the connections of the push
// servers, how many devices the hardware of a distribution point and a connection gateway should
// serve, and how many distribution points a network segment should have.
//
// Here devices are counts by group, and shares are expectations; policy/assign.hpp places each
// device. Network locations are left aside, as counts say nothing of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/site/model.hpp"

namespace kscpush::policy {

// How many registered devices each group has, its subgroups not counted.
using DevicesByGroup = std::map<std::string, std::uint64_t, std::less<>>;

// The product's rules of thumb for one network segment of N devices.
struct PointsAdvice {
  std::uint64_t acceptable = 0;    // N / 10,000 + 1; none below 300 devices
  std::uint64_t recommended = 0;   // N / 5,000 + 2; none below 300 devices
  std::uint64_t workstations = 0;  // N / 300 + 1, at least 3: when workstations serve
};
[[nodiscard]] PointsAdvice points_advice(std::uint64_t devices);

struct PointLoad {
  const site::DistributionPoint* dp = nullptr;
  std::uint64_t expected = 0;  // devices, its share by weight
  std::uint64_t capacity = 0;  // max_connections

  [[nodiscard]] bool fits() const { return expected <= capacity; }
  [[nodiscard]] bool within_yardstick() const { return expected <= dp->max_devices; }
  // True as well when there is no gateway.
  [[nodiscard]] bool within_gateway() const {
    return !dp->connection_gateway.enabled || expected <= site::kDevicesPerGateway;
  }
};

// Push servers that share the devices of one group and of those below it that have none.
struct SharingGroup {
  std::string group;
  std::uint64_t devices = 0;
  std::uint64_t capacity = 0;
  std::uint64_t capacity_without_largest = 0;
  std::vector<PointLoad> points;

  [[nodiscard]] bool fits() const { return devices <= capacity; }
  [[nodiscard]] bool survives_loss() const { return devices <= capacity_without_largest; }
};

struct Capacity {
  std::vector<SharingGroup> groups;  // those with devices or push servers
  // Each enabled push server once, its expected devices those of all its groups together.
  std::vector<PointLoad> points;
  DevicesByGroup without_push_server;  // devices that no enabled push server serves
};

[[nodiscard]] Capacity capacity(const site::Site& site, const DevicesByGroup& devices);

}  // namespace kscpush::policy

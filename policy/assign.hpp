// Which push server a device uses when several share its group: this project's own rule, as the
// product's is documented nowhere.
//
//   1. The candidates are the enabled push servers of the nearest group that has any: the device's
//      own group, else the group above, and so on up to the root. One whose distribution point has
//      the device in a network location of its scope is as near as one of the device's own group.
//   2. They are ordered by weighted rendezvous hashing: each gets the score -weight / ln(u), where
//   u
//      in (0, 1) is a hash of device id and distribution point's name, and weight its
//      max_connections. The highest score is the device's first choice, the others follow in order.
//   3. The load is bounded (place(), which knows all devices): no push server takes more than 1.25
//      times its fair share of them, nor more than max_connections. The devices choose one after
//      the other, in the order of a hash of their ids: each takes the first in its order that is
//      not full. Where all are at 1.25 times their share, the first that has connections left.
//
// So the load follows max_connections, and everyone computes the same from configuration and
// registry. When a push server is added or lost only its own devices move, and besides those at
// most such that do not get their first choice before or after, of which there are none until a
// push server is nearly full.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/site/model.hpp"
#include "policy/condition.hpp"

namespace kscpush::policy {

struct Ranked {
  const site::DistributionPoint* dp = nullptr;
  double score = 0;
};

struct Assignment {
  std::string_view group;      // whose push servers these are; empty if no group has any
  std::vector<Ranked> ranked;  // best first; empty if no push server is in reach
};

// Rules 1 and 2. The facts are id and group; platform and address where network locations matter.
[[nodiscard]] Assignment assign(const site::Site& site, const DeviceFacts& device);

// The candidates of a group (rule 1), network locations left aside.
struct Candidates {
  std::string_view group;
  std::vector<const site::DistributionPoint*> dps;  // in the order of the file
};
[[nodiscard]] Candidates candidates_for(const site::Site& site, std::string_view group);
[[nodiscard]] Candidates candidates_for(const site::Site& site, const DeviceFacts& device);
[[nodiscard]] std::vector<Ranked> rank(const std::vector<const site::DistributionPoint*>& dps,
                                       std::string_view device_id);

// Where devices connect to the push server: "ADDRESS:PORT", "[V6]:PORT".
[[nodiscard]] std::string endpoint_of(const site::DistributionPoint& dp);
// What a device is told of these, in their order: those without an address are of no use to it.
[[nodiscard]] std::vector<std::string> endpoints_of(const std::vector<Ranked>& ranked);

// u of rule 2: FNV-1a, 64 bits, over id, a zero byte and name, finished by the mixer of SplitMix64;
// its upper 53 bits as a fraction, moved off zero.
[[nodiscard]] double rendezvous_fraction(std::string_view device_id, std::string_view dp_name);

// --- Rule 3

inline constexpr double kLoadBound = 1.25;  // of the fair share

struct ServerLoad {
  const site::DistributionPoint* dp = nullptr;
  double fair = 0;              // share of the devices that have it among their candidates
  std::uint64_t bound = 0;      // what it takes: min(ceil(1.25 fair), max_connections)
  std::uint64_t devices = 0;    // that are placed here
  std::uint64_t preferred = 0;  // whose first choice it is
};

struct Placements {
  std::vector<ServerLoad> loads;  // of the enabled push servers, in the order of the file
  // By device, in the order given: index into loads, or one of these.
  static constexpr std::int32_t kNone = -1;  // no push server is in reach
  static constexpr std::int32_t kFull = -2;  // all in reach hold max_connections already
  std::vector<std::int32_t> of;
  std::uint64_t overflowed = 0;  // devices that do not get their first choice, kFull included

  [[nodiscard]] const ServerLoad* load_of(const site::DistributionPoint& dp) const;
};

// All DEVICES of a site over its push servers. The order of DEVICES does not matter; ids are
// unique.
[[nodiscard]] Placements place(const site::Site& site, std::span<const DeviceFacts> devices);

// How many of the devices use another push server, or none any more, or one at last. Both of the
// same devices in the same order; push servers are compared by name.
[[nodiscard]] std::uint64_t moved(const Placements& before, const Placements& after);

}  // namespace kscpush::policy

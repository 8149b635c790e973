// Which push server a device uses when several share its group: this project's own rule, as the
// product's is documented nowhere.
//
//   1. The candidates are the enabled push servers of the nearest group that has any: the device's
//      own group, else the group above, and so on up to the root.
//   2. They are ordered by weighted rendezvous hashing: each gets the score -weight / ln(u), where
//   u
//      in (0, 1) is a hash of device id and distribution point's name, and weight its
//      max_connections. The highest score is the device's push server, the others its spares, in
//      order.
//
// So the load follows max_connections, everyone computes the same order from the configuration
// alone, and when a push server is added or lost only its own devices move.
#pragma once

#include <string_view>
#include <vector>

#include "core/site/model.hpp"

namespace kscpush::policy {

struct Ranked {
  const site::DistributionPoint* dp = nullptr;
  double score = 0;
};

struct Assignment {
  std::string_view group;      // whose push servers these are; empty if no group has any
  std::vector<Ranked> ranked;  // best first; empty if no push server is in reach
};

[[nodiscard]] Assignment assign(const site::Site& site, std::string_view device_id,
                                std::string_view group);

// The candidates of a group (rule 1), for those who rank many devices.
struct Candidates {
  std::string_view group;
  std::vector<const site::DistributionPoint*> dps;
};
[[nodiscard]] Candidates candidates_for(const site::Site& site, std::string_view group);
[[nodiscard]] std::vector<Ranked> rank(const std::vector<const site::DistributionPoint*>& dps,
                                       std::string_view device_id);

// u of rule 2: FNV-1a, 64 bits, over id, a zero byte and name, finished by the mixer of SplitMix64;
// its upper 53 bits as a fraction, moved off zero.
[[nodiscard]] double rendezvous_fraction(std::string_view device_id, std::string_view dp_name);

}  // namespace kscpush::policy

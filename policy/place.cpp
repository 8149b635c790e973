// Rule 3 of policy/assign.hpp: bounded load.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "policy/assign.hpp"

namespace kscpush::policy {
namespace {

using Indexes = std::vector<std::int32_t>;  // into Placements::loads

class Placer {
 public:
  Placer(const site::Site& site, std::span<const DeviceFacts> devices)
      : site_(site), devices_(devices) {
    for (const site::DistributionPoint& dp : site.distribution_points) {
      if (!dp.push_server.enabled) continue;
      index_of_.emplace(&dp, static_cast<std::int32_t>(result_.loads.size()));
      result_.loads.push_back({&dp});
      located_ = located_ || !dp.network_locations.empty();
    }
  }

  Placements run() {
    find_candidates();
    bound_loads();
    result_.of.assign(devices_.size(), Placements::kNone);
    for (const std::size_t device : turns()) {
      if (!candidates_[device]->empty()) choose(device);
    }
    return std::move(result_);
  }

 private:
  struct Set {
    Indexes dps;
    std::uint64_t devices = 0;
  };

  // Devices with the same candidates share one set.
  const Indexes* shared(const Candidates& candidates) {
    Indexes dps;
    for (const site::DistributionPoint* dp : candidates.dps) dps.push_back(index_of_.at(dp));
    Set& set = sets_[dps];
    if (set.dps.empty()) set.dps = std::move(dps);
    ++set.devices;
    return &set.dps;
  }

  void find_candidates() {
    std::unordered_map<std::string_view, Set*> by_group;
    candidates_.reserve(devices_.size());
    for (const DeviceFacts& device : devices_) {
      if (located_) {
        candidates_.push_back(shared(candidates_for(site_, device)));
        continue;
      }
      Set*& known = by_group[device.group];
      if (known != nullptr) {
        ++known->devices;
      } else {
        const Indexes* const dps = shared(candidates_for(site_, device.group));
        known = &sets_.at(*dps);
      }
      candidates_.push_back(&known->dps);
    }
  }

  void bound_loads() {
    for (const auto& [key, set] : sets_) {
      double weights = 0;
      for (const std::int32_t dp : set.dps) weights += weight(dp);
      for (const std::int32_t dp : set.dps) {
        load(dp).fair += static_cast<double>(set.devices) * weight(dp) / weights;
      }
    }
    for (ServerLoad& load : result_.loads) {
      load.bound =
          std::min<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(kLoadBound * load.fair)),
                                  load.dp->push_server.max_connections);
    }
  }

  // In the order of a hash of the ids, so that no naming scheme is served first.
  [[nodiscard]] std::vector<std::size_t> turns() const {
    std::vector<std::pair<double, std::size_t>> order;
    order.reserve(devices_.size());
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      order.emplace_back(rendezvous_fraction(devices_[i].id, ""), i);
    }
    std::ranges::sort(order, [&](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : devices_[a.second].id < devices_[b.second].id;
    });
    std::vector<std::size_t> indexes;
    indexes.reserve(order.size());
    for (const auto& [hash, i] : order) indexes.push_back(i);
    return indexes;
  }

  void choose(std::size_t device) {
    // The order of one device, best first; the next only when the one before is full.
    const Indexes& candidates = *candidates_[device];
    ranked_.clear();
    for (const std::int32_t dp : candidates) {
      const double u = rendezvous_fraction(devices_[device].id, load(dp).dp->name);
      ranked_.emplace_back(-weight(dp) / std::log(u), dp);
    }
    std::ranges::sort(ranked_, [&](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first
                                : load(a.second).dp->name < load(b.second).dp->name;
    });
    ++load(ranked_.front().second).preferred;
    auto taken = std::ranges::find_if(ranked_, [&](const auto& choice) {
      return load(choice.second).devices < load(choice.second).bound;
    });
    if (taken == ranked_.end()) {
      taken = std::ranges::find_if(ranked_, [&](const auto& choice) {
        return load(choice.second).devices < load(choice.second).dp->push_server.max_connections;
      });
    }
    if (taken != ranked_.begin()) ++result_.overflowed;
    if (taken == ranked_.end()) {
      result_.of[device] = Placements::kFull;
      return;
    }
    ++load(taken->second).devices;
    result_.of[device] = taken->second;
  }

  ServerLoad& load(std::int32_t dp) { return result_.loads[static_cast<std::size_t>(dp)]; }
  double weight(std::int32_t dp) { return load(dp).dp->push_server.max_connections; }

  const site::Site& site_;
  std::span<const DeviceFacts> devices_;
  Placements result_;
  bool located_ = false;  // some push server has network locations
  std::unordered_map<const site::DistributionPoint*, std::int32_t> index_of_;
  std::map<Indexes, Set> sets_;
  std::vector<const Indexes*> candidates_;               // by device
  std::vector<std::pair<double, std::int32_t>> ranked_;  // scratch of choose()
};

}  // namespace

const ServerLoad* Placements::load_of(const site::DistributionPoint& dp) const {
  const auto found = std::ranges::find(loads, &dp, &ServerLoad::dp);
  return found == loads.end() ? nullptr : &*found;
}

Placements place(const site::Site& site, std::span<const DeviceFacts> devices) {
  return Placer(site, devices).run();
}

std::uint64_t moved(const Placements& before, const Placements& after) {
  const auto name = [](const Placements& placements, std::int32_t at) {
    return at < 0 ? std::string_view()
                  : std::string_view(placements.loads[static_cast<std::size_t>(at)].dp->name);
  };
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < std::min(before.of.size(), after.of.size()); ++i) {
    if (name(before, before.of[i]) != name(after, after.of[i])) ++count;
  }
  return count;
}

}  // namespace kscpush::policy

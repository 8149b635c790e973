#include "policy/advice.hpp"

#include "core/site/ports.hpp"
#include "policy/assign.hpp"
#include "policy/halves.hpp"

namespace kscpush::policy {
namespace {

class Adviser {
 public:
  Adviser(const site::Site& site, Diagnostics& diagnostics)
      : site_(site), diagnostics_(diagnostics), resolver_(site) {}

  void point(const site::DistributionPoint& dp) {
    if (dp.scope_groups.empty() && dp.network_locations.empty()) {
      warn(dp.origin, fmt::format("the scope of '{}' contains nothing", dp.name),
           "give it scope.groups");
      return;
    }
    if (dp.scope_groups.empty()) {
      warn(dp.network_locations.front().origin,
           fmt::format("the scope of '{}' has network locations only, which only Windows devices "
                       "can determine: it serves no other device",
                       dp.name),
           "give it scope.groups as well");
    }
    if (!dp.push_server.enabled) return;
    usual_port(dp);
    for (const std::string_view group : groups_in_scope(site_, dp)) {
      const PolicyHalf half = policy_half_of_group(resolver_, group);
      if (half.half == Half::kInPlace) return;
    }
    warn(dp.push_server.origin,
         fmt::format("the push server of '{}' is on, but no policy in its scope has force-via-dp "
                     "on and locked",
                     dp.name),
         "no agent will use it until: kscpush policy set force-via-dp");
  }

  void policy(const site::Policy& policy) {
    if (policy.status != site::PolicyStatus::kActive) return;
    schedule(policy);
    const PolicyHalf half = policy_half_of_group(resolver_, policy.group);
    const bool on = half.half == Half::kInPlace || half.half == Half::kOpen;
    // The policy that sets the option is the one to speak of, not those that inherit it.
    if (!on || half.policy != &policy) return;
    if (half.half == Half::kOpen) {
      warn(half.origin,
           fmt::format("force-via-dp is on in policy '{}', but open: a device may overwrite it",
                       policy.name),
           "lock it: kscpush policy lock force-via-dp");
    }
    if (!in_reach(policy.group)) {
      warn(half.origin,
           fmt::format("force-via-dp is on in policy '{}', but no distribution point in reach of "
                       "group '{}' runs a push server",
                       policy.name, policy.group),
           "switch one on: kscpush dp enable");
    }
  }

  void load(const DevicesByGroup& devices) {
    const Capacity all = capacity(site_, devices);
    bool full = false;
    for (const SharingGroup& group : all.groups) {
      if (!group.fits()) {
        full = true;
        warn(group.points.front().dp->push_server.origin,
             fmt::format("group '{}' has {} devices, its push servers carry {} connections",
                         group.group, group.devices, group.capacity),
             "add a push server, or raise max_connections: kscpush dp capacity");
      } else if (group.devices > 0 && group.points.size() > 1 && !group.survives_loss()) {
        warn(group.points.front().dp->push_server.origin,
             fmt::format("group '{}' does not survive the loss of its largest push server: {} "
                         "devices, {} connections without it",
                         group.group, group.devices, group.capacity_without_largest),
             "add a push server: kscpush dp capacity");
      }
    }
    // One push server in the scopes of several groups, each of which would fit.
    for (const PointLoad& point : all.points) {
      if (full || point.fits()) continue;
      warn(point.dp->push_server.origin,
           fmt::format("all groups of '{}' together give it {} devices, it carries {} connections",
                       point.dp->name, point.expected, point.capacity),
           "add a push server, or raise max_connections: kscpush dp capacity");
    }
  }

 private:
  // A number that another service of a distribution point usually has: allowed where that one is
  // off or uses UDP, but a firewall rule by number would mean both.
  void usual_port(const site::DistributionPoint& dp) {
    site::DistributionPoint usual;
    usual.ksn_proxy.enabled = usual.ksn_proxy.use_tls = usual.multicast.enabled = true;
    for (const site::UsedPort& port : site::used_ports(usual)) {
      if (port.port != dp.push_server.port) continue;
      warn(dp.push_server.port_origin,
           fmt::format("the push server of '{}' has port {}, usually that of {} ({})", dp.name,
                       port.port.value(), port.service, site::to_string(port.transport)),
           fmt::format("choose another one: kscpush dp set {} --port {}", dp.name,
                       site::kPushServerPort.value()));
      return;
    }
  }

  // A policy that lets agents connect at given intervals must give some, or have them from above.
  void schedule(const site::Policy& policy) {
    const site::Setting* const connect = policy.find(kConnect);
    if (connect == nullptr || connect->value != kAtGivenIntervals) return;
    const auto effective = resolver_.resolve(DeviceFacts{.group = policy.group});
    if (effective->at(kConnect).value != kAtGivenIntervals ||
        effective->at(kIntervals).value != "[]") {
      return;
    }
    warn(connect->origin,
         fmt::format("policy '{}' lets agents connect at given intervals, but gives none",
                     policy.name),
         "for example: kscpush policy set connectivity.schedule.intervals 22:00-06:00");
  }

  // A push server serves the group, a group above it, or one below it.
  [[nodiscard]] bool in_reach(std::string_view group) const {
    for (const site::DistributionPoint& dp : site_.distribution_points) {
      if (dp.push_server.enabled && !dp.network_locations.empty()) return true;
    }
    if (!candidates_for(site_, group).dps.empty()) return true;
    for (const site::Group& below : site_.groups) {
      if (!site::within_group(below.path, group)) continue;
      if (!candidates_for(site_, below.path).dps.empty()) return true;
    }
    return false;
  }

  void warn(const Origin& origin, std::string message, std::string hint) {
    diagnostics_.push_back({Severity::kWarning, origin, std::move(message), std::move(hint)});
  }

  const site::Site& site_;
  Diagnostics& diagnostics_;
  Resolver resolver_;
};

}  // namespace

void advise(const site::Site& site, const DevicesByGroup* devices, Diagnostics& diagnostics) {
  Adviser adviser(site, diagnostics);
  for (const site::DistributionPoint& dp : site.distribution_points) adviser.point(dp);
  for (const site::Policy& policy : site.policies) adviser.policy(policy);
  if (devices != nullptr) adviser.load(*devices);
}

}  // namespace kscpush::policy

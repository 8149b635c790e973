#include "policy/reach.hpp"

#include <algorithm>
#include <array>

#include "policy/assign.hpp"
#include "policy/halves.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {
namespace {

using Reason = Gap::Reason;

constexpr std::array kOperations{Operation::kSynchronization, Operation::kTasks,
                                 Operation::kStatistics, Operation::kTunnel};

class Diagnoser {
 public:
  Diagnoser(const site::Site& site, const DeviceState& device, std::span<const ServerState> servers,
            WallTime now)
      : site_(site), device_(device), servers_(servers), now_(now), resolver_(site) {}

  Diagnosis run() {
    registration();
    const bool declared = site_.has_group(device_.facts.group);
    if (device_.registered && declared) {
      scope();
      option();
    }
    if (device_.registered) certificate();
    if (result_.dp != nullptr) server(*result_.dp);
    connection();
    for (const Operation operation : kOperations) result_.operations.push_back(way_of(operation));
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool connected() const { return !device_.connected_at.empty(); }

  void gap(Reason reason, std::string what, std::string mend, bool stops = true) {
    result_.gaps.push_back({reason, stops && !connected(), std::move(what), std::move(mend)});
  }

  void registration() {
    const std::string_view id = device_.facts.id;
    const std::string_view group = device_.facts.group;
    if (!device_.registered) {
      gap(Reason::kNotRegistered, fmt::format("device '{}' is not registered", id),
          fmt::format("kscpush device add {} --group GROUP", id));
      return;
    }
    if (!site_.has_group(group)) {
      gap(Reason::kGroupNotDeclared,
          fmt::format("its group '{}' is not declared, so that no policy and no push server is "
                      "the device's",
                      group),
          fmt::format("kscpush group add \"{}\"; or kscpush device move {} --group GROUP", group,
                      id));
    }
    if (device_.revoked) {
      gap(Reason::kRevoked, "the device has been revoked: the push server refuses it",
          fmt::format("kscpush device restore {}", id));
    }
  }

  void scope() {
    const Assignment assignment = assign(site_, device_.facts);
    if (!assignment.ranked.empty()) {
      result_.dp = choice_of(assignment);
      return;
    }
    for (const site::DistributionPoint& dp : site_.distribution_points) {
      if (!site::in_scope(dp, device_.facts.whereabouts())) continue;
      gap(Reason::kPushServerOff,
          fmt::format("the push server of '{}', in whose scope the device is, is off", dp.name),
          fmt::format("kscpush dp enable {}", dp.name));
      return;
    }
    gap(Reason::kOutOfScope,
        fmt::format("no distribution point has group '{}' in its scope", device_.facts.group),
        site_.distribution_points.size() == 1
            ? fmt::format("kscpush dp scope add \"{}\"", device_.facts.group)
            : fmt::format("kscpush dp scope add \"{}\" --dp DP", device_.facts.group));
  }

  // The one that it is connected to, else the first that runs, else its first choice.
  [[nodiscard]] const site::DistributionPoint* choice_of(const Assignment& assignment) const {
    const auto first = [&](auto good) -> const site::DistributionPoint* {
      const auto found = std::ranges::find_if(
          assignment.ranked, [&](const Ranked& ranked) { return good(ranked.dp->name); });
      return found == assignment.ranked.end() ? nullptr : found->dp;
    };
    const auto* at = first([&](const auto& name) { return name == device_.connected_at; });
    if (at == nullptr) {
      at = first([&](const auto& name) {
        const ServerState* const state = state_of(name);
        return state != nullptr && state->running;
      });
    }
    return at != nullptr ? at : assignment.ranked.front().dp;
  }

  [[nodiscard]] const ServerState* state_of(std::string_view dp) const {
    const auto found = std::ranges::find(servers_, dp, &ServerState::dp);
    return found == servers_.end() ? nullptr : &*found;
  }

  Candidate winner(std::string_view path) {
    static const LocalSettings kNone;
    const auto explained = resolver_.explain(
        device_.facts, device_.local != nullptr ? *device_.local : kNone, find_setting(path));
    return explained.front().candidates.front();
  }

  void option() {
    const auto effective = resolver_.resolve(device_.facts);
    if (effective->policy == nullptr) {
      gap(Reason::kNoPolicy,
          fmt::format("no active Network Agent policy acts on group '{}'", device_.facts.group),
          fmt::format(
              "kscpush policy add NAME --group \"{}\"; then kscpush policy set force-via-dp",
              device_.facts.group));
      return;
    }
    const EffectiveValue& desired = effective->at(kForceViaDp);
    const site::Policy& policy = desired.policy != nullptr ? *desired.policy : *effective->policy;
    const std::string mend =
        desired.profile == nullptr
            ? option_command(site_, policy)
            : fmt::format("kscpush policy explain {} force-via-dp", device_.facts.id);
    const Candidate value = winner(kForceViaDp);
    const bool local = value.source == Candidate::Source::kLocal;
    const std::string where =
        desired.origin.line > 0 ? to_string(desired.origin) : to_string(policy.origin);
    if (desired.value != "true" && !(local && value.value == "true")) {
      gap(Reason::kOptionOff,
          fmt::format("policy '{}' leaves force-via-dp off ({})", policy.name, where), mend);
    } else if (local && value.value != "true") {
      gap(Reason::kOptionOverridden,
          fmt::format("policy '{}' leaves force-via-dp open, and a local setting of the device "
                      "switches it off ({})",
                      policy.name, where),
          mend);
    } else if (!desired.locked) {
      gap(Reason::kOptionOpen,
          fmt::format("force-via-dp is on, but open in policy '{}': the device may overwrite it "
                      "({})",
                      policy.name, where),
          mend, /*stops=*/false);
    }
  }

  void certificate() {
    const std::string mend = fmt::format(
        "kscpush device enroll {} --token; then on the device: kscpush agent enroll SERVER TOKEN",
        device_.facts.id);
    if (!device_.enrolled) {
      gap(Reason::kNotEnrolled, "the device has no certificate of this push server yet", mend,
          /*stops=*/!connected() && !device_.last_seen.has_value());
    } else if (device_.certificate_ends && *device_.certificate_ends <= now_) {
      gap(Reason::kCertificateExpired,
          fmt::format("its certificate has expired at {}", to_rfc3339(*device_.certificate_ends)),
          mend);
    }
  }

  void server(const site::DistributionPoint& dp) {
    const ServerState* const state = state_of(dp.name);
    if (state == nullptr) return;
    if (!state->running) {
      gap(Reason::kNotRunning,
          state->problem.empty()
              ? fmt::format("the push server of '{}' does not run here", dp.name)
              : fmt::format("the push server of '{}' cannot be asked: {}", dp.name, state->problem),
          fmt::format("kscpush serve --dp {}", dp.name));
      return;
    }
    if (!state->same_configuration) {
      gap(Reason::kNotApplied,
          fmt::format("the push server of '{}' runs another configuration than the files have",
                      dp.name),
          fmt::format("kscpush apply --dp {}", dp.name));
    }
    if (state->draining) {
      gap(Reason::kDraining, fmt::format("the push server of '{}' is draining", dp.name),
          fmt::format("kscpush dp drain {} --cancel", dp.name));
    } else if (state->connected >= dp.push_server.max_connections && !connected()) {
      gap(Reason::kFull,
          fmt::format("the push server of '{}' is full: {} of {} connections", dp.name,
                      state->connected, dp.push_server.max_connections),
          fmt::format("kscpush dp capacity; kscpush dp set {} --max-connections N", dp.name));
    }
  }

  // Offline is news only when nothing else explains it.
  void connection() {
    if (connected()) {
      if (device_.subscribed) return;
      result_.gaps.push_back(
          {Reason::kNotSubscribed, true,
           fmt::format("the device is connected, but has not subscribed to ksc/v1/devices/{}/push",
                       device_.facts.id),
           "let it subscribe; or set push_server.subscribe_inbox: true"});
      return;
    }
    if (std::ranges::any_of(result_.gaps, &Gap::stops)) return;
    std::string what = "the device is offline";
    what += device_.last_seen ? fmt::format(", last seen {}", to_rfc3339(*device_.last_seen))
                              : std::string(": it has never connected");
    if (!device_.last_end.empty()) {
      what += fmt::format("; its last connection ended: {}", device_.last_end);
    }
    const std::string where =
        result_.dp == nullptr
            ? "HOST:PORT"
            : fmt::format("{}:{}", result_.dp->address, result_.dp->push_server.port.value());
    gap(Reason::kOffline, std::move(what),
        fmt::format("on the device: kscpush agent --server {} --id {} --files DIR; a firewall on "
                    "the way must let TCP to it through",
                    where, device_.facts.id));
  }

  [[nodiscard]] bool tagged(std::string_view tag) const {
    return std::ranges::find(device_.facts.tags, tag) != device_.facts.tags.end();
  }

  Reachable way_of(Operation operation) {
    if (connected() && device_.subscribed) {
      const bool other = operation != Operation::kSynchronization && !device_.is_agent;
      return {operation, When::kNow, Way::kPush,
              other ? "if it answers: the client is no kscpush agent" : ""};
    }
    if (device_.facts.platform.starts_with("kasperskyos")) {
      return {operation, When::kNever, Way::kNone, "KasperskyOS devices are reached by push only"};
    }
    if (tagged(kKeptTag)) {
      return {operation, When::kNow, Way::kKept,
              "by the Administration Server, while the device is switched on"};
    }
    if (operation != Operation::kSynchronization) {
      return {operation, When::kNever, Way::kNone, "it takes a continuous connection"};
    }
    return later(operation);
  }

  Reachable later(Operation operation) {
    const bool udp = winner(kUseUdpPort).value == "true";
    std::string note;
    if (!udp) {
      note = "the policy switches the UDP port off";
    } else if (tagged(kNatTag)) {
      note = "no UDP packet passes NAT";
    } else if (device_.facts.address.empty()) {
      note = "its address for a UDP packet is not known";
    } else {
      return {operation, When::kNow, Way::kUdp,
              fmt::format("by the Administration Server, unconfirmed: a packet to {} port {} UDP",
                          device_.facts.address, winner(kUdpPort).value)};
    }
    const std::string schedule =
        winner(kConnect).value == kAtGivenIntervals
            ? fmt::format("within {}", winner(kIntervals).value)
            : fmt::format("within {} minutes", winner(kSynchronizationInterval).value);
    return {operation, When::kLater, Way::kSchedule, fmt::format("{}; {}", schedule, note)};
  }

  const site::Site& site_;
  const DeviceState& device_;
  std::span<const ServerState> servers_;
  WallTime now_;
  Resolver resolver_;
  Diagnosis result_;
};

}  // namespace

std::string_view to_string(Operation operation) {
  constexpr std::array<std::string_view, 4> kNames{"synchronization", "tasks", "statistics",
                                                   "tunnel"};
  return kNames.at(static_cast<std::size_t>(operation));
}

std::string_view to_string(Way way) {
  constexpr std::array<std::string_view, 5> kNames{"none", "push connection", "do not disconnect",
                                                   "UDP packet", "scheduled synchronization"};
  return kNames.at(static_cast<std::size_t>(way));
}

std::string_view to_string(When when) {
  constexpr std::array<std::string_view, 3> kNames{"now", "later", "no"};
  return kNames.at(static_cast<std::size_t>(when));
}

bool Diagnosis::all_now() const {
  return std::ranges::all_of(operations,
                             [](const Reachable& one) { return one.when == When::kNow; });
}

Diagnosis diagnose(const site::Site& site, const DeviceState& device,
                   std::span<const ServerState> servers, WallTime now) {
  return Diagnoser(site, device, servers, now).run();
}

}  // namespace kscpush::policy

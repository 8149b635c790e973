// Whether a device can be reached now: operation by operation, by which way, and when it cannot by
// a push, which half is missing.
//
// The ways in the product's order of preference: the push connection; a connection that "Do not
// disconnect from the Administration Server" keeps; a packet to the agent's UDP port, which brings
// the next synchronization forward and does not pass NAT; the next scheduled synchronization. A
// KasperskyOS device (platform "kasperskyos...") has the first alone. The others are the
// Administration Server's: what is told of them follows from the policy and from two tags of the
// device, kKeptTag and kNatTag.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/site/model.hpp"
#include "policy/condition.hpp"
#include "policy/resolve.hpp"

namespace kscpush::policy {

inline constexpr std::string_view kKeptTag = "do-not-disconnect";
inline constexpr std::string_view kNatTag = "nat";

enum class Operation : std::uint8_t { kSynchronization, kTasks, kStatistics, kTunnel };
enum class Way : std::uint8_t { kNone, kPush, kKept, kUdp, kSchedule };
enum class When : std::uint8_t { kNow, kLater, kNever };
[[nodiscard]] std::string_view to_string(Operation operation);
[[nodiscard]] std::string_view to_string(Way way);
[[nodiscard]] std::string_view to_string(When when);

// What keeps the device from its push connection. Without STOPS it works all the same, for now.
struct Gap {
  enum class Reason : std::uint8_t {
    kNotRegistered,
    kGroupNotDeclared,
    kRevoked,
    kOutOfScope,
    kPushServerOff,
    kNoPolicy,
    kOptionOff,
    kOptionOverridden,  // open, and off by a local setting
    kOptionOpen,        // on, and a local setting may change that
    kNotEnrolled,
    kCertificateExpired,
    kNotRunning,
    kNotApplied,
    kDraining,
    kFull,
    kOffline,
    kNotSubscribed,
  };
  Reason reason = Reason::kOffline;
  bool stops = true;
  std::string what;
  std::string mend;  // the command, or what else to do
};

struct Reachable {
  Operation operation = Operation::kSynchronization;
  When when = When::kNever;
  Way way = Way::kNone;
  std::string note;  // empty: nothing else to know of it
};

// A push server as it was found.
struct ServerState {
  std::string dp;
  bool running = false;
  std::string problem{};  // why it could not be asked, when it could not
  bool draining = false;
  std::uint64_t connected = 0;
  bool same_configuration = true;  // it runs what the files say
};

// A device as it was found.
struct DeviceState {
  DeviceFacts facts;
  const LocalSettings* local = nullptr;  // as it reported them; nullptr: none known
  bool registered = false;
  bool revoked = false;
  bool enrolled = false;
  std::optional<WallTime> certificate_ends{};  // of the one that it shows
  std::optional<WallTime> last_seen{};
  std::string last_end{};      // why its last connection ended; empty: not known
  std::string connected_at{};  // the distribution point; empty: not connected
  bool subscribed = false;
  bool is_agent = false;  // a kscpush agent, which answers all kinds
};

struct Diagnosis {
  std::vector<Reachable> operations;            // one each
  std::vector<Gap> gaps;                        // in the order in which to mend them
  const site::DistributionPoint* dp = nullptr;  // that the device should use; nullptr: none

  [[nodiscard]] bool all_now() const;
};

// Pure. SERVERS: those of the site that were looked for; one that is not among them is not judged.
[[nodiscard]] Diagnosis diagnose(const site::Site& site, const DeviceState& device,
                                 std::span<const ServerState> servers, WallTime now);

}  // namespace kscpush::policy

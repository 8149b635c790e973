// Whether a device does what the configuration wants of it: the revision of its effective policy
// against the one that it has reported. What was sent to it says nothing about that.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/clock.hpp"
#include "policy/resolve.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::server {

enum class Compliance : std::uint8_t {
  kInSync,   // it has applied the policy that it should have, connected or not
  kPending,  // it has not, but will: it is connected, or comes at its synchronization interval
  kFailed,   // it has reported that it cannot apply it
  kOffline,  // it has not, and is not there to be told
};
inline constexpr std::size_t kCompliances = 4;
// "in_sync", "pending", "failed", "offline".
[[nodiscard]] std::string_view to_string(Compliance state);
[[nodiscard]] std::optional<Compliance> compliance_from_name(std::string_view name);

// A device that should hold a connection is offline without one. One that comes at intervals is so
// when it has missed one: it was last seen two intervals ago, or never. A day more, when its
// connection schedule has times at which it may not come.
[[nodiscard]] Compliance compliance_of(const policy::EffectivePolicy& desired,
                                       const DeviceRecord& device, bool connected, WallTime now);

}  // namespace kscpush::server

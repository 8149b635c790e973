// Synchronization: what a device asks under up/sync, and what it is told by a push of the kind
// "policy" (docs/sync.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace kscpush {

// The policy that the device has applied; empty: none yet. At most 64 letters, digits, '_', '.',
// '-'.
struct SyncRequest {
  std::string revision;
};
// {"v":1,"revision":...}; without a revision: none yet.
[[nodiscard]] std::string encode(const SyncRequest& request);
[[nodiscard]] Result<SyncRequest> decode_sync(std::string_view text);

// A policy's value of a setting, as the policy folder has it: "true", "15", JSON of a list.
struct PolicyValue {
  std::string value;
  bool locked = false;

  friend bool operator==(const PolicyValue&, const PolicyValue&) = default;
};
using PolicyValues = std::map<std::string, PolicyValue>;  // by path

// The effective policy of a device.
struct PolicyMessage {
  std::string revision;
  std::optional<PolicyValues> settings{};  // nothing: the device has this revision
  // "HOST:PORT" of the push servers that it uses, best first; empty: nothing is said of them.
  std::vector<std::string> servers{};
};
// The params of the push: {"revision":..., "settings":{"PATH":{"value":..., "locked":...}},
// "servers":[...]}. A value is JSON of its own type: what is JSON is taken as that, what is not as
// a string.
[[nodiscard]] std::string encode(const PolicyMessage& message);
// JSON. Bounded in number and length of all.
[[nodiscard]] Result<PolicyMessage> decode_policy(std::string_view params);

}  // namespace kscpush

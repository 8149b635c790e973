// The shapes of the admin API's objects, also what the command line prints with -o json.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "core/error_json.hpp"
#include "server/enrolment.hpp"
#include "server/push_server.hpp"
#include "server/shard.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

// What is asked for of one device beside its record.
struct DeviceHistory {
  static constexpr std::size_t kMostShown = 50;  // pushes
  std::size_t pending_count = 0;
  std::vector<PushRecord> pending;      // the first of them, oldest first
  std::vector<Disconnect> disconnects;  // newest first
};

[[nodiscard]] Result<DeviceHistory> history_of(const Store& store, const DeviceId& id,
                                               WallTime now);

// {"id", "group", "tags": [...], "platform", "address", "revoked", "enrolled", "added",
//  "last_seen", "local_settings": {PATH: VALUE}, "policy": {"revision", "result", "since"} or null,
//  "resync_required": {"since", "reason"} or null, "connection": {...} or null}
[[nodiscard]] nlohmann::json to_json(const DeviceRecord& device,
                                     const std::optional<DeviceView>& view);
// {"since", "reason"}; null for a device that has missed nothing
[[nodiscard]] nlohmann::json resync_or_null(const DeviceRecord& device);
// [{"group", "devices"}]
[[nodiscard]] nlohmann::json to_json(const DeviceCounts& counts);
// {"id", "certificate", "key", "authority", "not_after"}
[[nodiscard]] nlohmann::json to_json(const DeviceId& id, const Enrolment& enrolment);
// {"id", "token", "expires"}
[[nodiscard]] nlohmann::json to_json(const IssuedToken& issued);
// {"id", "device", "kind", "state", "attempts", "expires", "times": {"stored": ..., ...}, ...}
[[nodiscard]] nlohmann::json to_json(const PushRecord& push);
// {"id", "kind", "state", "reason", "asked", "targets", "pushed", "refused", "rate",
// "max_failures",
//  "canary", "created", "ended", "failed", "counts": {"stored": ..., ...}}
[[nodiscard]] nlohmann::json to_json(const RolloutProgress& progress);
// {"pushes", "next"}
[[nodiscard]] nlohmann::json to_json(const PushPage& page);
// {"queue": {"pending", "pushes"}, "disconnects": [{"at", "reason"}]}
[[nodiscard]] nlohmann::json to_json(const DeviceHistory& history);
// {"puback_ms", "agent_ms"}, null where there was none
[[nodiscard]] nlohmann::json to_json(const ProbeReport& report);
// These and {"connected_since", "address", "protocol", "agent"}
[[nodiscard]] nlohmann::json to_json(const PingReport& report);

}  // namespace kscpush::server

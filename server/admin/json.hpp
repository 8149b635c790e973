// The shapes of the admin API's objects, also what the command line prints with -o json.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "core/result.hpp"
#include "server/enrolment.hpp"
#include "server/push_server.hpp"
#include "server/shard.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

// {"code", "message", "hint"}
[[nodiscard]] nlohmann::json to_json(const Error& error);
[[nodiscard]] Error error_from_json(const nlohmann::json& json);
// {"id", "group", "tags": [...], "platform", "address", "revoked", "enrolled", "added",
//  "last_seen", "local_settings": {PATH: VALUE}, "policy": {"revision", "result", "since"} or null,
//  "connection": {...} or null}
[[nodiscard]] nlohmann::json to_json(const DeviceRecord& device,
                                     const std::optional<DeviceView>& view);
// [{"group", "devices"}]
[[nodiscard]] nlohmann::json to_json(const DeviceCounts& counts);
// {"id", "certificate", "key", "authority", "not_after"}
[[nodiscard]] nlohmann::json to_json(const DeviceId& id, const Enrolment& enrolment);
// {"id", "device", "kind", "state", "attempts", "expires", "times": {"stored": ..., ...}, ...}
[[nodiscard]] nlohmann::json to_json(const PushRecord& push);
// {"puback_ms", "agent_ms"}, null where there was none
[[nodiscard]] nlohmann::json to_json(const ProbeReport& report);
// These and {"connected_since", "address", "protocol", "agent"}
[[nodiscard]] nlohmann::json to_json(const PingReport& report);

}  // namespace kscpush::server

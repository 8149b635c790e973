// The table of devices. Each function is one read, or one change for the writer.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/store.hpp"

namespace kscpush::server::devices {

[[nodiscard]] Status add(Database& database, const DeviceId& id, const std::string& group,
                         WallTime now);
[[nodiscard]] Status set_group(Database& database, const DeviceId& id, const std::string& group);
[[nodiscard]] Status set_fingerprint(Database& database, const DeviceId& id,
                                     const std::string& fingerprint);
[[nodiscard]] Status set_revoked(Database& database, const DeviceId& id, bool revoked);
[[nodiscard]] Status remove(Database& database, const DeviceId& id);  // and its pushes
// No error for a device that is gone, no step back in time.
[[nodiscard]] Status set_last_seen(Database& database, std::string_view id, WallTime seen);

[[nodiscard]] Result<std::optional<DeviceRecord>> find(Database& database, const DeviceId& id);
// In order of id, those after AFTER.
[[nodiscard]] Result<std::vector<DeviceRecord>> list(Database& database, std::string_view after,
                                                     std::size_t limit);
[[nodiscard]] Result<std::size_t> count(Database& database);

[[nodiscard]] Error not_found(const DeviceId& id);

}  // namespace kscpush::server::devices

// The table of devices. Each function is one read, or one change for the writer.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/last_seen.hpp"
#include "server/store/store.hpp"

namespace kscpush::server::devices {

[[nodiscard]] Status add(Database& database, const NewDevice& device, WallTime now);
// The device as it is then.
[[nodiscard]] Result<ChangedDevice> change(Database& database, const DeviceId& id,
                                           const DeviceChange& change);
[[nodiscard]] Status remove(Database& database, const DeviceId& id);  // and its pushes
// As ShardStore::report(), without what the device has missed.
[[nodiscard]] Status report(Database& database, const DeviceId& id, const DeviceReport& report,
                            WallTime now);
// And the ends of connections. No error for a device that is gone, no step back in time.
[[nodiscard]] Status set_last_seen(Database& database, const LastSeen::Entry& entry);

[[nodiscard]] Result<std::optional<DeviceRecord>> find(Database& database, const DeviceId& id);
// As ShardStore; the address as it is on the disk.
[[nodiscard]] Result<std::optional<Arrival>> arriving(Database& database, const DeviceId& id);
// Newest first; none for a device that is not there.
[[nodiscard]] Result<std::vector<Disconnect>> disconnects(Database& database, const DeviceId& id);
// As Store::list_devices().
[[nodiscard]] Result<DevicePage> list(Database& database, const DeviceFilter& filter,
                                      std::string_view after, std::size_t limit);
[[nodiscard]] Result<std::size_t> count(Database& database);
[[nodiscard]] Result<DeviceCounts> count_by_group(Database& database);

}  // namespace kscpush::server::devices

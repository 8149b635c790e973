// What a device has missed: a push of state, or one that calls for a synchronization, that got lost
// before the device acknowledged it (made_up_by_sync()). Remembered at the device until it is
// level.
//
// devices.resync_since, .resync_reason: of the first loss; .resync_after: a push stored behind this
// number makes up for all of them. pushes.levels: stored while its device had missed something, so
// that its acknowledgement is worth a look at the device; that of any other costs none.
//
// Each function is one read, or one change for the writer.
#pragma once

#include "server/store/database.hpp"
#include "server/store/push_change.hpp"

namespace kscpush::server::resync {

// The push has ended as expired, at AT, without an acknowledgement.
[[nodiscard]] Status expired(Database& database, std::int64_t seq, WallTime at,
                             StoreChanges& changes);
// A push to the device was refused for lack of room. KNOWN: the device's resync_since is set; then
// nothing is written unless a push that would have levelled it was stored since.
[[nodiscard]] Status refused(Database& database, const DeviceId& id, bool known, WallTime now,
                             StoreChanges& changes);
// The device has acknowledged, or COMPLETED, a push with `levels`. One that has ever reported its
// policy is level when it says so; of another the acknowledgement is the most it says.
[[nodiscard]] Status answered(Database& database, std::int64_t seq, bool completed, WallTime at,
                              StoreChanges& changes);
// The device has reported that it has the policy that it should have.
[[nodiscard]] Status reported(Database& database, const DeviceId& id, WallTime at,
                              StoreChanges& changes);
// Whether the device has missed something and was sent nothing since that makes up for it. One that
// was and has not levelled it is not sent again by itself, as it may be what ends the connections.
[[nodiscard]] Result<bool> is_owed(Database& database, const DeviceId& id);

}  // namespace kscpush::server::resync

// The table of enrolment tokens. Each function is one read, or one change for the writer.
#pragma once

#include "server/store/database.hpp"
#include "server/store/device_record.hpp"
#include "server/store/token.hpp"

namespace kscpush::server::tokens {

// Replaces the device's token, used or not. kNotFound: no such device; kDenied: it is revoked.
[[nodiscard]] Status add(Database& database, const NewToken& token);
// The device that the token is of, if it may be used for this key now. kDenied: it is not known,
// used, expired, of another device, or its device is revoked.
//
// The same key may come again until the token expires: an answer may have been lost, and its
// certificate is of use to nobody who has not the key.
[[nodiscard]] Result<DeviceId> check(Database& database, const TokenShown& shown, WallTime now);
// The same, and from now on it is used, and the device has that certificate. The device as it is
// then.
[[nodiscard]] Result<DeviceRecord> use(Database& database, const TokenShown& shown,
                                       const DeviceChange& certificate, WallTime now);
// At most LIMIT of those that expired long ago; until then who comes with one is told so. True:
// there may be more.
[[nodiscard]] Result<bool> forget(Database& database, std::size_t limit, WallTime now);

}  // namespace kscpush::server::tokens

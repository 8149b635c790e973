// How much there is in the database.
#pragma once

#include "server/store/database.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

// What is in use of the file; free pages do not count.
[[nodiscard]] Result<std::int64_t> used_bytes(Database& database);
[[nodiscard]] Result<StoreUsage> measure_usage(Database& database);

}  // namespace kscpush::server

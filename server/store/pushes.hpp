// The table of pushes. Each function is one read, or one change for the writer.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/store.hpp"

namespace kscpush::server::pushes {

// As Store::add_push(); PUSH becomes what was stored.
[[nodiscard]] Status add(Database& database, PushRecord& push, const StoreLimits& limits,
                         WallTime now);
// As Store::step().
[[nodiscard]] Status step(Database& database, const PushStep& step, const StoreLimits& limits);
// As Store::cancel().
[[nodiscard]] Result<PushRecord> cancel(Database& database, const Ulid& id, std::string_view reason,
                                        const StoreLimits& limits, WallTime now);
// Ends or drops up to BATCH pushes that are due; true: there may be more.
[[nodiscard]] Result<bool> expire(Database& database, std::size_t batch, const StoreLimits& limits,
                                  WallTime now);

[[nodiscard]] Result<std::optional<PushRecord>> find(Database& database, const Ulid& id,
                                                     WallTime now);
[[nodiscard]] Result<std::vector<PushRecord>> pending(Database& database, const DeviceId& device,
                                                      WallTime now, std::int64_t after,
                                                      std::size_t limit);
// Newest first, those with seq below BEFORE. As find(), it shows what has ended at NOW as ended.
[[nodiscard]] Result<std::vector<PushRecord>> history(Database& database, const DeviceId& device,
                                                      std::int64_t before, std::size_t limit,
                                                      WallTime now);

// As ShardStore::perhaps_sent(): all that there are now count from here on.
[[nodiscard]] Status mark_perhaps_sent(Database& database);
[[nodiscard]] Result<std::int64_t> perhaps_sent(Database& database);

}  // namespace kscpush::server::pushes

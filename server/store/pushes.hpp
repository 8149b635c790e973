// The table of pushes. Each function is one read, or one change for the writer, which adds to
// CHANGES what has reached another state.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/store.hpp"

namespace kscpush::server::pushes {

// As Store::add_push(); PUSH becomes what was stored.
[[nodiscard]] Status add(Database& database, PushRecord& push, const StoreLimits& limits,
                         WallTime now, PushChanges& changes);
// As Store::step().
[[nodiscard]] Status step(Database& database, const PushStep& step, const StoreLimits& limits,
                          PushChanges& changes);
// As Store::cancel().
[[nodiscard]] Result<PushRecord> cancel(Database& database, const Ulid& id, std::string_view reason,
                                        const StoreLimits& limits, WallTime now,
                                        PushChanges& changes);
// Ends or drops up to BATCH pushes that are due; true: there may be more.
[[nodiscard]] Result<bool> expire(Database& database, std::size_t batch, const StoreLimits& limits,
                                  WallTime now, PushChanges& changes);

[[nodiscard]] Result<std::optional<PushRecord>> find(Database& database, const Ulid& id);
[[nodiscard]] Result<std::optional<PushRecord>> find(Database& database, std::int64_t seq);
[[nodiscard]] Result<std::vector<PushRecord>> pending(Database& database, const DeviceId& device,
                                                      WallTime now, std::int64_t after,
                                                      std::size_t limit);
[[nodiscard]] Result<std::size_t> count_pending(Database& database, const DeviceId& device,
                                                WallTime now);
// As Store::list_pushes().
[[nodiscard]] Result<PushPage> list(Database& database, const PushFilter& filter,
                                    std::int64_t before, std::size_t limit);

}  // namespace kscpush::server::pushes

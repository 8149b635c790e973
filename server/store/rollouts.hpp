// The tables of rollouts. Each function is one read, or one change for the writer.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/rollout.hpp"
#include "server/store/sent_ahead.hpp"
#include "server/store/store.hpp"

namespace kscpush::server::rollouts {

// Its number. It is open when open() has run, which also says of how many targets.
[[nodiscard]] Result<std::int64_t> begin(Database& database, const NewRollout& rollout,
                                         WallTime now);
// FIRST: position of the first of them.
[[nodiscard]] Status add_targets(Database& database, std::int64_t number, std::int64_t first,
                                 std::span<const DeviceId> targets);
[[nodiscard]] Result<RolloutRecord> open(Database& database, std::int64_t number);
// Those that never were opened, of an earlier run of the server.
[[nodiscard]] Status drop_unopened(Database& database);

// The pushes of the next COUNT targets. kConflict: it does not run any more.
[[nodiscard]] Result<RolloutWave> advance(Database& database, std::int64_t number,
                                          std::size_t count, const Admit& admit,
                                          const StoreLimits& limits, const SentAhead& sent_ahead,
                                          WallTime now, StoreChanges& changes);
// The rest of the targets is forgotten. As it is then; one that does not run stays as it is.
[[nodiscard]] Result<RolloutRecord> end(Database& database, std::int64_t number, RolloutState state,
                                        std::string_view reason, WallTime now);
// Up to BATCH that ended before THEN and whose pushes are forgotten; true: there may be more.
[[nodiscard]] Result<bool> drop_old(Database& database, std::size_t batch, WallTime then);

[[nodiscard]] Result<std::optional<RolloutRecord>> find(Database& database, const Ulid& id);
[[nodiscard]] Result<std::optional<RolloutRecord>> find(Database& database, std::int64_t number);
// Newest first, those with a number below BEFORE; 0 for the newest.
[[nodiscard]] Result<std::vector<RolloutRecord>> list(Database& database, std::int64_t before,
                                                      std::size_t limit);
[[nodiscard]] Result<std::vector<RolloutRecord>> running(Database& database);
[[nodiscard]] Result<PushCounts> count(Database& database, std::int64_t number);
}  // namespace kscpush::server::rollouts

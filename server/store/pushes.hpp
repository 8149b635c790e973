// The table of pushes. Each function is one read, or one change for the writer, which adds to
// CHANGES what has reached another state.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/sent_ahead.hpp"
#include "server/store/store.hpp"
#include "server/store/usage.hpp"

namespace kscpush::server::pushes {

// The chosen of kPushKinds, as a list for IN (...).
[[nodiscard]] std::string kinds_in_sql(bool (*chosen)(std::string_view kind));

// For one or many in one change.
class Adder {
 public:
  // Who takes back what a push that fails has written.
  enum class Undo : std::uint8_t { kCaller, kAdder };
  // ADMIT may be null. All outlive it.
  Adder(Database& database, const Admit& admit, const StoreLimits& limits,
        const SentAhead& sent_ahead, WallTime now, StoreChanges& changes, UsageMeter& meter,
        Undo undo = Undo::kCaller)
      : database_(database),
        admit_(admit),
        limits_(limits),
        sent_ahead_(sent_ahead),
        now_(now),
        changes_(changes),
        meter_(meter),
        undo_(undo) {}
  // PUSH becomes what was stored. What is returned is why it is not taken, or nothing; that leaves
  // nothing behind but that the device has missed it, which is to be committed. The error is the
  // database's. BEYOND: also if as many wait as may.
  [[nodiscard]] Result<std::optional<Error>> add(PushRecord& push, bool beyond = false);

 private:
  // Why the push is not taken; nothing: it is.
  using Objection = Result<std::optional<Error>>;
  [[nodiscard]] Objection object_to_size(const PushRecord& push);
  // Sets resync_.
  [[nodiscard]] Objection object_to_device(const DeviceId& id);
  // For lack of room, which is ERROR: notes that the device misses it.
  [[nodiscard]] Objection overflow(const PushRecord& push, Error error);

  Database& database_;
  const Admit& admit_;
  const StoreLimits& limits_;
  const SentAhead& sent_ahead_;
  const WallTime now_;
  StoreChanges& changes_;
  UsageMeter& meter_;
  const Undo undo_;
  bool resync_ = false;  // the device at hand has missed something
};
// As Store::step() of each, in this order. RESULTS: what became of each; the error is the
// database's.
[[nodiscard]] Status apply(Database& database, const std::vector<PushStep>& steps,
                           const StoreLimits& limits, StoreChanges& changes,
                           std::vector<Status>& results);
// As Store::cancel().
[[nodiscard]] Result<PushRecord> cancel(Database& database, const Ulid& id, std::string_view reason,
                                        const StoreLimits& limits, WallTime now,
                                        StoreChanges& changes);
// Ends or drops up to BATCH pushes that are due; true: there may be more.
[[nodiscard]] Result<bool> expire(Database& database, std::size_t batch, const StoreLimits& limits,
                                  WallTime now, StoreChanges& changes);

// A push before a change.
struct Standing {
  PushState state{};
  std::int64_t rollout = 0;
};
// Ends a push that has not ended, with a final state that is no answer of the device's.
[[nodiscard]] Status end(Database& database, const PushStep& step, const Standing& was,
                         const StoreLimits& limits, StoreChanges& changes);

[[nodiscard]] Result<std::optional<PushRecord>> find(Database& database, const Ulid& id,
                                                     WallTime now);
[[nodiscard]] Result<std::optional<PushRecord>> find(Database& database, std::int64_t seq,
                                                     WallTime now);
[[nodiscard]] Result<std::vector<PushRecord>> pending(Database& database, const DeviceId& device,
                                                      WallTime now, std::int64_t after,
                                                      std::size_t limit,
                                                      std::optional<PushLane> lane);
[[nodiscard]] Result<std::size_t> count_pending(Database& database, const DeviceId& device,
                                                WallTime now);
// As Store::list_pushes(). As find(), it shows what has ended at NOW as ended.
[[nodiscard]] Result<PushPage> list(Database& database, const PushFilter& filter,
                                    std::int64_t before, std::size_t limit, WallTime now);

// As ShardStore::perhaps_sent(): all that there are now count from here on.
[[nodiscard]] Status mark_perhaps_sent(Database& database);
[[nodiscard]] Result<std::int64_t> perhaps_sent(Database& database);

}  // namespace kscpush::server::pushes

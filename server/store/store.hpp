// The durable state of one push server: the registry of devices and the pushes, in SQLite.
//
// One writer thread runs every change; what is queued when it gets to it becomes one transaction
// (group commit, WAL, synchronous=FULL), and a change's callback runs after that transaction is on
// disk. Reads run on the caller's thread against connections of their own.
//
// The directory is locked while it is open: one process at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "core/result.hpp"
#include "core/site/model.hpp"
#include "server/store/idempotency.hpp"
#include "server/store/push_change.hpp"
#include "server/store/rollout.hpp"
#include "server/store/shard_store.hpp"
#include "server/store/site_revision.hpp"
#include "server/store/token.hpp"
#include "server/store/tunnels.hpp"

namespace kscpush::server {

struct StoreLimits {
  // Waiting for the writer, in number and in bytes of parameters and results; more are answered
  // kOverloaded at once.
  std::size_t queued_changes = 100'000;
  std::size_t queued_bytes = std::size_t{64} << 20U;
  std::size_t pending_per_device = 50;                // more pushes are answered kOverloaded
  std::size_t params_bytes = std::size_t{64} * 1024;  // of one push; more is kTooLarge
  // All of the database; beyond it new pushes are kOverloaded. From three quarters of it on
  // expire() drops history before its time.
  std::int64_t database_bytes = std::int64_t{4} << 30;
  std::chrono::hours keep_history{7 * 24};  // of pushes that are final
};

// Whether a device may have pushes from here, and why not. On the writer's thread.
using Admit = std::function<Status(const DeviceId& id, const site::Whereabouts& device)>;

// What is empty matches every push.
struct PushFilter {
  std::optional<DeviceId> device{};
  std::optional<PushState> state{};
  std::string kind{};
  std::int64_t rollout = 0;  // RolloutRecord::number
};

struct PushPage {
  std::vector<PushRecord> pushes;  // newest first
  // Where to go on: what the next page's pushes are below; 0 when there is none. With a filter a
  // page may hold fewer than were asked for, even none, and yet not be the last.
  std::int64_t next = 0;
};

// What was made of a request with an idempotency key: by it, or by the same request before.
struct OncePush {
  PushRecord push;
  bool replayed = false;
};

// How full it is, for those who watch it.
struct StoreUsage {
  std::int64_t used_bytes = 0;      // of the database; what StoreLimits::database_bytes bounds
  std::int64_t database_bytes = 0;  // of its file; free pages are used again
  std::int64_t log_bytes = 0;       // of the write-ahead log
  std::int64_t pending = 0;         // pushes neither acknowledged nor ended
  std::optional<WallTime> oldest_pending{};  // stored when
  std::int64_t resyncs = 0;                  // devices that have missed something
};

// Thread safe. What changes something either waits for the disk and returns, or takes a callback
// and returns at once. Errors of the disk, common to all: kFailed or kDenied, saying what to do;
// what was accepted before stays.
class Store final : public ShardStore {
 public:
  // Callbacks run on the writer thread, after the change is on disk; they must not block and must
  // not call what waits. Only kOverloaded, when the queue is full, comes at once, on the caller's
  // thread.

  // Creates the directory (mode 0700) and the schema when there is none; an existing directory
  // keeps its mode, the database is always the owner's alone. Errors: held by another
  // process (kConflict, with its pid), a newer schema, not a database, no permission, disk full.
  // CLOCK outlives the store.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::filesystem::path& directory,
                                                           const Clock& clock,
                                                           StoreLimits limits = {});
  ~Store() override;  // completes what is queued

  // From now on WATCH is called on the writer thread with what each commit changed,
  // before the callbacks of these changes, and TOLD after the callbacks. At most once, before there
  // is anything to see.
  using Watch = std::function<void(const StoreChanges& changes)>;
  void watch(Watch watch, std::function<void()> told = nullptr);

  // Registry. Each change waits for the disk, or takes a callback. kConflict: exists already.
  // kNotFound: does not exist.
  [[nodiscard]] Status add_device(NewDevice device);
  void add_device(NewDevice device, Done done);
  // All of them, or when there is one that exists already none.
  [[nodiscard]] Status add_devices(std::vector<NewDevice> devices);
  void add_devices(std::vector<NewDevice> devices, Done done);
  // The device as it is then. kUsage: more tags than a device may have.
  [[nodiscard]] Result<DeviceRecord> change_device(const DeviceId& id, DeviceChange change);
  void change_device(const DeviceId& id, DeviceChange change,
                     std::function<void(Result<ChangedDevice>)> done);
  [[nodiscard]] Status remove_device(const DeviceId& id);  // and its pushes
  void remove_device(const DeviceId& id, Done done);
  [[nodiscard]] Result<std::optional<Arrival>> arriving(const DeviceId& id) const override;
  [[nodiscard]] Result<std::optional<DeviceRecord>> find_device(const DeviceId& id) const override;
  // A page of those that pass the filter: at most LIMIT of the ids behind AFTER; "" for the first
  // page. Looks at a bounded number of devices.
  [[nodiscard]] Result<DevicePage> list_devices(const DeviceFilter& filter, std::string_view after,
                                                std::size_t limit) const;
  [[nodiscard]] Result<std::size_t> count_devices() const;
  [[nodiscard]] Result<DeviceCounts> count_by_group() const;
  // Enrolment tokens (server/store/tokens.hpp), one a device: a new one takes the old one's place.
  // kNotFound, kDenied (revoked).
  [[nodiscard]] Status add_token(const NewToken& token);
  void add_token(NewToken token, Done done);
  // The device whose it is, if it may be used now; kDenied says why not. The use itself asks again.
  [[nodiscard]] Result<DeviceId> check_token(const TokenShown& shown) const;
  [[nodiscard]] Status use_token(const TokenShown& shown, const DeviceChange& certificate);
  void touch_device(const DeviceId& id, WallTime seen, std::string_view address) override;
  void note_certificate(const DeviceId& id, WallTime seen, WallTime ends) override;
  void note_disconnect(const DeviceId& id, const Disconnect& end) override;
  // The last ten, newest first.
  [[nodiscard]] Result<std::vector<Disconnect>> disconnects(const DeviceId& id) const;
  void report(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now,
              Done done = nullptr) override;

  // Pushes. The callback gets kNotFound (no such device), kDenied (revoked), kOverloaded, kTooLarge
  // or kConflict (the id exists) instead of a stored push. seq, state and attempts are the store's
  // to set; reached[kAccepted] is kept if it is set. An older push with the same collapse key that
  // was not sent yet ends as superseded in the same transaction.
  // ADMIT may be null; what it says is the error then.
  void add_push(PushRecord push, std::function<void(Result<PushRecord>)> done,
                Admit admit = nullptr);
  // The same at most once: with a key that is known nothing is stored, and the push that was made
  // with it comes back. kConflict: the key was another request's, or its push is forgotten.
  void add_push_once(PushRecord push, IdempotencyKey key,
                     std::function<void(Result<OncePush>)> done, Admit admit = nullptr);
  // PUSH, unless its device has missed nothing, or was sent since what makes up for it: then
  // nothing. As many may wait as will.
  void add_resync(PushRecord push, std::function<void(Result<std::optional<PushRecord>>)> done);
  // The id of what was made with the key; nothing when it is new. kConflict as above.
  [[nodiscard]] Result<std::optional<std::string>> find_key(const IdempotencyKey& key) const;
  // Many in one transaction; each is stored or has its own error, as above. The outer error is the
  // disk's: then none is.
  using PushResults = std::vector<Result<PushRecord>>;
  void add_pushes(std::vector<PushRecord> pushes, Admit admit,
                  std::function<void(Result<PushResults>)> done);
  void step(PushStep step, std::shared_ptr<StepSink> sink = nullptr) override;
  [[nodiscard]] bool sent_ahead(const PushStep& sent) override;
  void cancel(const Ulid& id, std::string reason, Cancelled done) override;
  [[nodiscard]] Result<std::optional<PushRecord>> find_push(const Ulid& id) const override;
  [[nodiscard]] Result<std::optional<PushRecord>> find_push(std::int64_t seq) const;
  [[nodiscard]] Result<std::vector<PushRecord>> pending(
      const DeviceId& device, WallTime now, std::int64_t after, std::size_t limit,
      std::optional<PushLane> lane = std::nullopt) const override;
  [[nodiscard]] std::int64_t perhaps_sent() const override;
  // How many pending() has in all.
  [[nodiscard]] Result<std::size_t> count_pending(const DeviceId& device, WallTime now) const;
  // A page of those that pass the filter, at most LIMIT, with seq below BEFORE; 0 for the newest.
  // Looks at a bounded number of pushes.
  [[nodiscard]] Result<PushPage> list_pushes(const PushFilter& filter, std::int64_t before,
                                             std::size_t limit) const;
  // Rollouts (server/rollout/rollouts.hpp). With all its targets; with a KEY at most once, and the
  // second time as it is then. kConflict: the key was another request's.
  void add_rollout(NewRollout rollout, std::vector<DeviceId> targets,
                   std::optional<IdempotencyKey> key,
                   std::function<void(Result<OnceRollout>)> done);
  // Stores the pushes of the next COUNT targets. kConflict: it does not run any more.
  void advance_rollout(std::int64_t number, std::size_t count, Admit admit,
                       std::function<void(Result<RolloutWave>)> done);
  // It does not run from now on, and has no targets left. As it is then: one that has ended before
  // stays as it was.
  void end_rollout(std::int64_t number, RolloutState state, std::string reason,
                   std::function<void(Result<RolloutRecord>)> done);
  [[nodiscard]] Result<std::optional<RolloutRecord>> find_rollout(const Ulid& id) const;
  // Newest first, those with a number below BEFORE; 0 for the newest.
  [[nodiscard]] Result<std::vector<RolloutRecord>> list_rollouts(std::int64_t before,
                                                                 std::size_t limit) const;
  [[nodiscard]] Result<std::vector<RolloutRecord>> running_rollouts() const;
  // Of the pushes of a rollout. Looks at each of them.
  [[nodiscard]] Result<PushCounts> count_states(std::int64_t rollout) const;

  // The audit of tunnels (server/tunnel), kept like pushes that have ended. One that has ended
  // stays as it is.
  void add_tunnel(TunnelRecord tunnel, Done done);
  void end_tunnel(const Ulid& id, TunnelEnd end, Done done = nullptr);
  // Those of a process before this one.
  [[nodiscard]] Status end_open_tunnels();
  [[nodiscard]] Result<std::optional<TunnelRecord>> find_tunnel(const Ulid& id) const;
  // Newest first, those with a number below BEFORE; 0 for the newest.
  [[nodiscard]] Result<std::vector<TunnelRecord>> list_ended_tunnels(std::int64_t before,
                                                                     std::size_t limit) const;

  // Site configurations that ran here, all of them. Its number, after it is on disk. With FILE_HASH
  // the files on the server's own disk are remembered with it (file_hash).
  [[nodiscard]] Result<std::int64_t> add_revision(SiteRevision revision,
                                                  const std::optional<std::string>& file_hash);
  [[nodiscard]] Result<std::optional<SiteRevision>> find_revision(std::int64_t number) const;
  [[nodiscard]] Result<std::optional<SiteRevision>> newest_revision() const;
  // Without files and plans, newest first, those below BEFORE; 0 for the newest.
  [[nodiscard]] Result<std::vector<SiteRevision>> list_revisions(std::int64_t before,
                                                                 std::size_t limit) const;
  // Of the site's files as the server found them last on its own disk; empty if it never looked.
  [[nodiscard]] Result<std::string> file_hash() const;
  [[nodiscard]] Status set_file_hash(const std::string& hash);

  // Ends as expired what is past its time to live, and drops history past its time.
  void expire(WallTime now, Done done = nullptr);

  // Returns when all that was queued before is done, callbacks included, and what these queued.
  void drain();
  [[nodiscard]] std::size_t queued_changes() const;  // waiting for the writer
  // Looks at every device: what it says may be up to 30 seconds old.
  [[nodiscard]] Result<StoreUsage> usage() const;
  [[nodiscard]] const StoreLimits& limits() const;

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Those of DEVICES whose id is registered already.
[[nodiscard]] Result<std::vector<std::string>> existing_devices(
    const Store& store, const std::vector<NewDevice>& devices);

}  // namespace kscpush::server

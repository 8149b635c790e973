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
#include "server/store/shard_store.hpp"
#include "server/store/site_revision.hpp"

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
  // An acknowledged push whose device never answers ends as expired that long after its time to
  // live: a device may work on it for as long as the longest.
  std::chrono::seconds answer_wait = kMaxTtl;
  std::chrono::hours keep_history{7 * 24};  // of pushes that are final
};

// How full it is, for those who watch it.
struct StoreUsage {
  std::int64_t used_bytes = 0;      // of the database; what StoreLimits::database_bytes bounds
  std::int64_t database_bytes = 0;  // of its file; free pages are used again
  std::int64_t log_bytes = 0;       // of the write-ahead log
  std::int64_t pending = 0;         // pushes neither acknowledged nor ended
  std::optional<WallTime> oldest_pending{};  // stored when
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
                     std::function<void(Result<DeviceRecord>)> done);
  [[nodiscard]] Status remove_device(const DeviceId& id);  // and its pushes
  void remove_device(const DeviceId& id, Done done);
  [[nodiscard]] Result<std::optional<DeviceRecord>> find_device(const DeviceId& id) const override;
  // A page of those that pass the filter: at most LIMIT of the ids behind AFTER; "" for the first
  // page. Looks at a bounded number of devices.
  [[nodiscard]] Result<DevicePage> list_devices(const DeviceFilter& filter, std::string_view after,
                                                std::size_t limit) const;
  [[nodiscard]] Result<std::size_t> count_devices() const;
  [[nodiscard]] Result<DeviceCounts> count_by_group() const;
  void touch_device(const DeviceId& id, WallTime seen, std::string_view address) override;
  void report(const DeviceId& id, DeviceReport report, WallTime now, Done done = nullptr) override;

  // Pushes. The callback gets kNotFound (no such device), kDenied (revoked), kOverloaded, kTooLarge
  // or kConflict (the id exists) instead of a stored push. seq, state and attempts are the store's
  // to set; reached[kAccepted] is kept if it is set. An older push with the same collapse key that
  // was not sent yet ends as superseded in the same transaction.
  void add_push(PushRecord push, std::function<void(Result<PushRecord>)> done);
  void step(PushStep step, Done done = nullptr) override;
  // Before it is sent; after that kConflict, saying how far it is. The cancelled push.
  [[nodiscard]] Result<PushRecord> cancel(const Ulid& id, const std::string& reason);
  [[nodiscard]] Result<std::optional<PushRecord>> find_push(const Ulid& id) const override;
  [[nodiscard]] Result<std::vector<PushRecord>> pending(const DeviceId& device, WallTime now,
                                                        std::int64_t after,
                                                        std::size_t limit) const override;
  [[nodiscard]] std::int64_t perhaps_sent() const override;
  // All of a device, newest first, with seq below BEFORE; 0 for the newest.
  [[nodiscard]] Result<std::vector<PushRecord>> list_pushes(const DeviceId& device,
                                                            std::int64_t before,
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

  // Returns when all that was queued before is done, callbacks included.
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

// The inside of Store, for its sources.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "core/file_lock.hpp"
#include "server/store/last_seen.hpp"
#include "server/store/readers.hpp"
#include "server/store/sent_ahead.hpp"
#include "server/store/step_queue.hpp"
#include "server/store/store.hpp"
#include "server/store/usage.hpp"
#include "server/store/writer.hpp"

namespace kscpush::server {

// The parts, each thread safe by itself, in the order of construction.
class Store::Impl {
 public:
  Impl(FileLock held, const Clock& time, StoreLimits bounds, Database database, Readers connections,
       std::int64_t sent_perhaps)
      : clock(time),
        limits(bounds),
        perhaps_sent(sent_perhaps),
        lock(std::move(held)),
        last_seen(bounds.queued_changes),
        last_seen_written(time.now()),
        steps(bounds.queued_changes, bounds.queued_bytes),
        sent_ahead(bounds.queued_changes),
        readers(std::move(connections)),
        writer(std::move(database),
               {.queued = bounds.queued_changes,
                .queued_bytes = bounds.queued_bytes,
                .extra =
                    [this](bool closing) {
                      const bool missed = closing && missed_step.exchange(false);
                      return missed ? leave_a_trace() : write_last_seen(closing);
                    },
                .rest = [this] { readers.forget_pages(); },
                .after = [this](bool committed) { publish(committed); },
                .told = [this] { tell_of_publication(); }}) {}
  // The writer's callbacks may read; and the last connection to close must be one that can tidy up.
  ~Impl() {
    writer.stop();
    readers = Readers();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // One group's worth, and then the next.
  void expire(WallTime now, Done done);

  // Adds PUSH, as pushes::Adder does, within a change; leaves nothing when it fails. ADMIT may be
  // null.
  Status add(Database& database, PushRecord& push, const Admit& admit, bool beyond,
             std::optional<Error>& objection);

  // What waits in `steps`, as one change.
  void write_steps();

  Result<StoreUsage> usage();

  // What CHANGE adds to its argument is published with the commit, unless it fails.
  template <class Change>
  Status changing(Change&& change) {
    const std::size_t pushes = changes_.pushes.size();
    const std::size_t resyncs = changes_.resyncs.size();
    auto status = std::forward<Change>(change)(changes_);
    if (!status) {
      changes_.pushes.resize(pushes);
      changes_.resyncs.erase(changes_.resyncs.begin() + static_cast<std::ptrdiff_t>(resyncs),
                             changes_.resyncs.end());
    }
    return status;
  }

 private:
  // Of the group under way; the writer thread's.
  StoreChanges changes_;
  bool published_ = false;

 public:
  const Clock& clock;
  const StoreLimits limits;
  const std::int64_t perhaps_sent;
  const FileLock lock;
  LastSeen last_seen;
  // The writer thread's.
  MonoTime last_seen_written;
  std::vector<LastSeen::Entry> last_seen_round;  // still to be written, the last one first
  std::atomic<bool> missed_step{false};          // one was not written
  StepQueue steps;
  SentAhead sent_ahead;
  UsageMeter meter;  // the writer thread's
  // Likewise, once there is anything to see.
  Store::Watch watch;
  std::function<void()> told;
  Readers readers;
  Writer writer;

 private:
  void publish(bool committed) {
    const bool any = !changes_.pushes.empty() || !changes_.resyncs.empty();
    published_ = committed && any;
    if (published_ && watch) watch(changes_);
    changes_.pushes.clear();
    changes_.resyncs.clear();
  }
  // After a group in which nothing changed that can be watched nobody may be there to watch yet.
  void tell_of_publication() const {
    if (published_ && told) told();
  }

  Writer::Job write_last_seen(bool closing);
  // As if the process were killed: what was sent may not be on disk, and the next one must know.
  static Writer::Job leave_a_trace() {
    return {[](Database& database) -> Status {
              database.keep_log();
              return {};
            },
            nullptr};
  }

  std::mutex usage_mutex_;
  std::optional<StoreUsage> usage_;  // guarded by usage_mutex_, as is the next
  MonoTime usage_measured_{};
};

}  // namespace kscpush::server

// The one thread that changes the database, and its mailbox.
//
// What is queued when the thread gets to it becomes one transaction: a group. A change that fails
// takes nothing of the others with it, and leaves nothing of itself: each runs in a savepoint, but
// for those that see to it themselves. When the transaction itself fails, all of the group do. The
// changes' callbacks run after the commit, in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/result.hpp"
#include "server/store/database.hpp"

namespace kscpush::server {

class Writer {
 public:
  using Change = std::function<Status(Database&)>;
  using Done = std::function<void(Status)>;  // on the writer's thread; must not block; may be null

  // kPatient: what nobody waits for. It is written with the next change that is in haste, or by
  // itself when none comes for a while: fewer transactions, and fewer syncs of the disk.
  enum class Pace : std::uint8_t { kHaste, kPatient };

  // kByItself: who fails has written nothing, or taken it back (Database::in_savepoint). A
  // savepoint keeps a copy of each page that is changed in it, which is most of what a row costs.
  enum class Undo : std::uint8_t { kSavepoint, kByItself };

  struct Job {
    Change change;  // null: none
    Done done;
    std::size_t bytes = 0;  // of memory that it holds, roughly
    Pace pace = Pace::kHaste;
    Undo undo = Undo::kSavepoint;
    Status status = {};
  };

  struct Options {
    std::size_t queued = 100'000;                       // changes; more are refused
    std::size_t queued_bytes = std::size_t{64} << 20U;  // of changes that say so; likewise
    // Changes in one transaction, and their bytes, unless it is one alone: none waits long, and
    // what is written can be sent while the next are.
    std::size_t group = 5'000;
    std::size_t group_bytes = std::size_t{512} << 10U;
    // A change of the owner's that nobody waits for, or none; may be null. Asked when nothing is
    // queued, while it has any, then every IDLE; every EXTRA_PAUSE when there is always something;
    // and at the end until it has none. It is a transaction by itself: what is in haste waits for
    // one at most, so it should be short.
    std::function<Job(bool closing)> extra = nullptr;
    std::chrono::milliseconds idle{1000};
    std::chrono::milliseconds extra_pause{50};
    std::chrono::milliseconds patience{5};  // of those that are not in haste
    // When nothing was changed for so long, the database's pages are given back: up to 16 MiB, of a
    // burst that is over. The system's cache still has them. Then the owner may do likewise.
    std::chrono::milliseconds quiet{5000};
    std::function<void()> rest = nullptr;  // may be null
    // From so many on the database's log is worked off, after the callbacks of a group when nothing
    // else waits, else from twice as many on: 16 MiB rather than SQLite's 4, as the steps of a push
    // change the same pages again and again.
    int log_pages = 4000;
    // After a group's commit, before its callbacks, or when the group has failed. May be null.
    std::function<void(bool committed)> after = nullptr;
    std::function<void()> told = nullptr;  // after a group's callbacks; may be null
  };

  Writer(Database database, Options options);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  // Completes what is queued, with its callbacks and what these post, and ends the thread. Nothing
  // may be posted from elsewhere any more.
  void stop();

  // Thread safe. When the queue is full DONE gets kOverloaded at once, on the caller's thread.
  void post(Change change, Done done, std::size_t bytes = 0, Pace pace = Pace::kHaste,
            Undo undo = Undo::kSavepoint);
  // Posts and waits. Never from a callback: that is an error, as it would wait for itself.
  [[nodiscard]] Status wait(Change change);
  // Returns when all that was queued before is done, callbacks included, and what these queued.
  // Never from a callback.
  void drain();
  [[nodiscard]] std::size_t queued() const;
  // What is said when too much waits to be written.
  [[nodiscard]] static Error queue_full();

 private:
  void loop();
  void take_jobs(std::vector<Job>& group, bool& closing);
  void run_group(std::vector<Job>& group);        // and the callbacks
  bool run_transaction(std::vector<Job>& group);  // committed?
  // An error is the change's own while the transaction is still open, else the whole group's.
  Status run_change(const Job& job);
  // Those that have not failed for reasons of their own.
  static void fail_all(std::vector<Job>& group, const Error& error);
  [[nodiscard]] bool is_extra_due() const;
  bool run_extra(bool closing);  // whether there was one and it succeeded: another may follow
  void tend_log();
  void tend_memory();

  // Constant after construction.
  const Options options_;

  // Owned by the thread.
  Database database_;
  bool more_extras_ = false;  // probably
  bool keeps_pages_ = false;
  std::chrono::steady_clock::time_point last_run_{};
  std::chrono::steady_clock::time_point extra_run_ = std::chrono::steady_clock::now();

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t in_haste_ = 0;                             // of the queue
  std::chrono::steady_clock::time_point patient_until_;  // where none of the queue is in haste
  bool stop_ = false;

  std::atomic<std::size_t> undone_{0};  // of those that were queued, callbacks included

  std::thread thread_;
};

}  // namespace kscpush::server

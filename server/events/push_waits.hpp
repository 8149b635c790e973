// Requests that wait until a push has come so far: no thread each, and no asking again and again.
//
// One thread answers all of them: it is told which pushes a commit has changed, looks at those that
// somebody waits for, and answers at the deadline with the push as it is then.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/push.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

class PushWaits {
 public:
  static constexpr std::size_t kMost = 10'000;
  // Once, on the thread of the waits, or at once on the caller's.
  using Done = std::function<void(Result<PushRecord>)>;

  explicit PushWaits(const Store& store, std::size_t most = kMost);
  PushWaits(const PushWaits&) = delete;
  PushWaits& operator=(const PushWaits&) = delete;
  ~PushWaits() { stop(); }

  // Thread safe. Until the push has reached STATE, or its end, or TIMEOUT is over. kOverloaded,
  // kNotFound.
  void wait(const Ulid& id, PushState state, Duration timeout, const Done& done);
  // Thread safe; quick while nobody waits. After the commit.
  void changed(const PushChanges& changes);
  [[nodiscard]] std::size_t waiting() const { return count_.load(std::memory_order_relaxed); }
  // Answers all that wait with their push as it is. Those that come afterwards are kUnreachable.
  void stop();

 private:
  struct Wait {
    std::int64_t seq = 0;
    std::uint64_t number = 0;
    PushState state{};
    Done done;
  };
  // By deadline, and in the order in which they came.
  using Waits = std::multimap<MonoTime, Wait>;

  // Into the table; or why not.
  [[nodiscard]] std::optional<Error> enter(std::int64_t seq, PushState state, Duration timeout,
                                           const Done& done);
  void loop();
  // Moves those that are over, or whose push changed and has come so far, out of the table.
  [[nodiscard]] std::vector<Wait> take_due(MonoTime now);
  [[nodiscard]] std::vector<Wait> take_reached(const std::vector<std::int64_t>& seqs);
  [[nodiscard]] Wait take(Waits::iterator at);  // mutex_ held
  void answer(const std::vector<Wait>& waits) const;

  const Store& store_;
  const std::size_t most_;
  std::atomic<std::size_t> count_{0};  // changed under mutex_
  std::mutex mutex_;
  std::condition_variable wake_;
  // Under mutex_.
  Waits waits_;
  std::map<std::pair<std::int64_t, std::uint64_t>, Waits::iterator> of_push_;  // by seq and number
  std::uint64_t last_number_ = 0;
  std::vector<std::int64_t> changed_;  // that somebody waits for
  bool stop_ = false;

  std::thread thread_;
};

// Whether a push in state NOW has come to STATE, or to its end.
[[nodiscard]] bool has_reached(PushState now, PushState state);

}  // namespace kscpush::server

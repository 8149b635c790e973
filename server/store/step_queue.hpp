// Steps of pushes on their way to the writer: all that have come by when it gets to them are one
// change, so that several of one push cost no more than one.
#pragma once

#include <mutex>
#include <vector>

#include "server/store/shard_store.hpp"

namespace kscpush::server {

// Thread safe.
class StepQueue {
 public:
  struct Batch {
    std::vector<PushStep> steps;
    std::vector<ShardStore::Done> done;  // of each; may be null
    std::vector<Status> results;         // of each, once they are written
  };
  enum class Put {
    kRefused,  // too many wait; nothing was taken
    kFirst,    // the caller sees to it that somebody takes
    kBehind,   // others did before
  };

  StepQueue(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  [[nodiscard]] Put put(PushStep&& step, ShardStore::Done&& done) {
    const std::scoped_lock lock(mutex_);
    const std::size_t bytes = step.result.size();
    if (waiting_.steps.size() >= most_ || bytes > most_bytes_ - bytes_) return Put::kRefused;
    bytes_ += bytes;
    waiting_.steps.push_back(std::move(step));
    waiting_.done.push_back(std::move(done));
    return waiting_.steps.size() == 1 ? Put::kFirst : Put::kBehind;
  }
  // In the order in which they came.
  [[nodiscard]] Batch take() {
    const std::scoped_lock lock(mutex_);
    bytes_ = 0;
    return std::exchange(waiting_, {});
  }
  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.steps.size();
  }

 private:
  const std::size_t most_;
  const std::size_t most_bytes_;  // of their results
  mutable std::mutex mutex_;
  Batch waiting_;
  std::size_t bytes_ = 0;
};

}  // namespace kscpush::server

// Steps of pushes on their way to the writer: all that have come by when it gets to them are one
// change, so that several of one push cost no more than one.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "server/store/shard_store.hpp"

namespace kscpush::server {

// Thread safe.
class StepQueue {
 public:
  struct Batch {
    std::vector<PushStep> steps;
    std::vector<std::shared_ptr<StepSink>> sinks;  // of each; may be null
    std::vector<Status> results;                   // of each, once they are written
  };
  enum class Put {
    kRefused,  // too many wait; nothing was taken
    kFirst,    // the caller sees to it that somebody takes
    kBehind,   // others did before
  };

  StepQueue(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  // Moves from both, unless it refuses them.
  [[nodiscard]] Put put(PushStep& step, std::shared_ptr<StepSink>& sink) {
    const std::scoped_lock lock(mutex_);
    const std::size_t bytes = step.result.size();
    if (waiting_.steps.size() >= most_ || bytes > most_bytes_ - bytes_) return Put::kRefused;
    bytes_ += bytes;
    waiting_.steps.push_back(std::move(step));
    waiting_.sinks.push_back(std::move(sink));
    return waiting_.steps.size() == 1 ? Put::kFirst : Put::kBehind;
  }
  // In the order in which they came.
  [[nodiscard]] Batch take() {
    const std::scoped_lock lock(mutex_);
    bytes_ = 0;
    return std::exchange(waiting_, std::exchange(spare_, {}));
  }
  // When all is done with it: its memory is used again.
  void give_back(Batch&& batch) {
    batch.steps.clear();
    batch.sinks.clear();
    batch.results.clear();
    if (batch.steps.capacity() > kMostKept) return;
    const std::scoped_lock lock(mutex_);
    spare_ = std::move(batch);
  }
  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.steps.size();
  }

 private:
  static constexpr std::size_t kMostKept = 4096;  // steps

  const std::size_t most_;
  const std::size_t most_bytes_;  // of their results
  mutable std::mutex mutex_;
  Batch waiting_;
  Batch spare_;  // empty
  std::size_t bytes_ = 0;
};

}  // namespace kscpush::server

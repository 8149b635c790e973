// Pushes that were sent and whose step is still to come: until it is written the table says that
// they wait, and nothing may replace them all the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "server/store/shard_store.hpp"

namespace kscpush::server {

// Thread safe.
class SentAhead {
 public:
  explicit SentAhead(std::size_t most) : most_(most) {}

  // False: there are as many as may be.
  [[nodiscard]] bool add(const PushStep& sent) {
    const std::scoped_lock lock(mutex_);
    if (sent_.size() >= most_) return false;
    sent_.insert_or_assign(sent.seq, Sending{sent.at, sent.attempts});
    return true;
  }
  // As a step.
  [[nodiscard]] std::optional<PushStep> find(std::int64_t seq) const {
    const std::scoped_lock lock(mutex_);
    const auto found = sent_.find(seq);
    if (found == sent_.end()) return std::nullopt;
    return PushStep{seq, PushState::kSent, found->second.at, found->second.attempts};
  }
  // These are written.
  void remove(const std::vector<PushStep>& steps) {
    const std::scoped_lock lock(mutex_);
    if (sent_.empty()) return;
    for (const PushStep& step : steps) sent_.erase(step.seq);
  }

 private:
  struct Sending {
    WallTime at;
    int attempts;
  };

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::pmr::unsynchronized_pool_resource pool_;  // an entry comes and goes with each push
  std::pmr::unordered_map<std::int64_t, Sending> sent_{&pool_};  // by seq
};

}  // namespace kscpush::server

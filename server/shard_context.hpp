// What all shards of a server share: constant after start, or thread safe by itself.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "core/mqtt/session.hpp"
#include "core/site/model.hpp"
#include "server/store/shard_store.hpp"

namespace kscpush::server {

class Shard;

// Connected devices of the whole server against the distribution point's max_connections.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(std::uint32_t limit) : limit_(limit) {}
  [[nodiscard]] bool take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < limit_) return true;
    used_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t limit() const { return limit_; }
  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const std::uint32_t limit_;
  std::atomic<std::uint32_t> used_{0};
};

[[nodiscard]] mqtt::Limits mqtt_limits(const site::ServerLimits& limits);

struct ShardContext {
  const site::DistributionPoint& dp;
  const mqtt::Limits mqtt_limits;
  ShardStore& store;
  const Clock& clock;
  spdlog::logger& log;
  ConnectionBudget budget;
  std::vector<std::unique_ptr<Shard>> shards;
};

}  // namespace kscpush::server

// What all shards of a server share: constant after start, or thread safe by itself.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "core/mqtt/session.hpp"
#include "core/site/model.hpp"
#include "server/events/event_log.hpp"
#include "server/net/link.hpp"
#include "server/store/shard_store.hpp"

namespace kscpush::server {

class Shard;

// Connected devices of the whole server against the distribution point's max_connections.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(std::uint32_t limit) : limit_(limit) {}
  [[nodiscard]] bool take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < limit()) return true;
    used_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Those connected beyond a lowered limit stay; nobody new comes in until there are fewer.
  void set_limit(std::uint32_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> limit_;
  std::atomic<std::uint32_t> used_{0};
};

// What the configuration says, as a shard uses it. Never changed: another configuration is another
// object, which each shard takes up on its own thread (Shard::use).
struct ShardSettings {
  explicit ShardSettings(site::DistributionPoint distribution_point,
                         std::shared_ptr<const site::Site> whole = nullptr);
  // Where a device of this push server goes when it cannot be here: "ADDRESS:PORT" of the next push
  // server in its order (policy/assign.hpp); empty when there is none.
  [[nodiscard]] std::string other_server(const DeviceRecord& device) const;

  const site::DistributionPoint dp;
  const mqtt::Limits mqtt_limits;
  const std::shared_ptr<const site::Site> site;  // may be null: nothing is known of others
};

struct ShardContext {
  std::shared_ptr<const ShardSettings> settings;  // that a shard begins with
  ShardStore& store;
  const Clock& clock;
  spdlog::logger& log;
  ConnectionBudget budget;
  std::atomic<bool> draining{false};  // nobody new comes in
  EventLog events{};
  std::vector<std::unique_ptr<Shard>> shards;
  // Takes the connections that agreed on another protocol than MQTT. Thread safe; null: they are
  // closed.
  std::function<void(LinkPtr)> hand_over{};
  // Has a device synchronize that has missed something, unless a push that calls for it waits.
  // Thread safe, and returns at once; null: nothing is done.
  std::function<void(const DeviceId&)> bring_level{};
};

}  // namespace kscpush::server

// A push to many devices, sent at a pace: what is kept of it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "server/store/shard_store.hpp"

namespace kscpush::server {

// Numbers are stored on disk.
enum class RolloutState : std::uint8_t {
  kPreparing = 0,  // its targets are being stored: not accepted yet, gone after a restart
  kRunning = 1,
  kDone = 2,       // every push of it is acknowledged, or has ended
  kHalted = 3,     // more failed than may
  kCancelled = 4,  // on request
};
[[nodiscard]] std::string_view to_string(RolloutState state);

struct NewRollout {
  Ulid id;
  std::string kind;
  std::string params = "{}";  // JSON
  std::string collapse_key{};
  std::chrono::seconds ttl{0};  // 0: only for those that are connected
  std::string targets{};        // JSON, as they were asked for
  double rate = 0;              // pushes a second; 0: as fast as they can be stored
  // More failures than these halt it; nothing: none do.
  std::optional<std::int64_t> max_failures{};
  std::int64_t canary = 0;  // so many go first, and must not fail; 0: none do
};

struct RolloutRecord {
  std::int64_t number = 0;
  NewRollout order;
  RolloutState state = RolloutState::kPreparing;
  std::string reason{};      // of a state that is not done
  std::int64_t total = 0;    // targets
  std::int64_t next = 0;     // so many of them have got their push, or were refused
  std::int64_t refused = 0;  // unknown or revoked by then, or with too many pushes waiting
  WallTime created{};
  std::optional<WallTime> ended{};
};

// How many of its pushes are in each state.
using PushCounts = std::array<std::int64_t, kPushStates>;

// What was made of a request: by it, or by the same request before.
struct OnceRollout {
  RolloutRecord rollout;
  bool replayed = false;
};

// The next pushes of a rollout, stored.
struct RolloutWave {
  RolloutRecord rollout;  // as it is now
  std::vector<PushRecord> pushes;
};

}  // namespace kscpush::server

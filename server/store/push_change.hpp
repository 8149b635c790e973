// What became of pushes, for those who follow them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/clock.hpp"
#include "core/push.hpp"

namespace kscpush::server {

struct PushChange {
  std::int64_t seq = 0;  // PushRecord::seq
  PushState state = PushState::kStored;
  WallTime at{};
  std::optional<PushState> from{};  // nothing: it is new
  std::int64_t rollout = 0;         // PushRecord::rollout
};
using PushChanges = std::vector<PushChange>;

}  // namespace kscpush::server

// What became of pushes, for those who follow them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "core/push.hpp"

namespace kscpush::server {

struct PushChange {
  std::int64_t seq = 0;  // PushRecord::seq
  PushState state = PushState::kStored;
  WallTime at{};
};
using PushChanges = std::vector<PushChange>;

}  // namespace kscpush::server

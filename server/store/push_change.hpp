// What a commit changed, for those who follow it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::server {

struct PushChange {
  std::int64_t seq = 0;  // PushRecord::seq
  PushState state = PushState::kStored;
  WallTime at{};
  std::optional<PushState> from{};  // nothing: it is new
  std::int64_t rollout = 0;         // PushRecord::rollout
};
using PushChanges = std::vector<PushChange>;

// A device needs to be brought level from now on, or does not any more.
struct ResyncChange {
  DeviceId device;
  WallTime at{};
  std::optional<ResyncReason> reason{};  // nothing: it is level
};

struct StoreChanges {
  PushChanges pushes;
  std::vector<ResyncChange> resyncs;
};

}  // namespace kscpush::server

// What is kept of devices and pushes, and what a shard needs of the store: a seam, so that the
// simulation runs whole servers on a store in memory.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "core/result.hpp"
#include "server/store/device_record.hpp"
#include "server/store/disconnects.hpp"

namespace kscpush::server {

// In which order a device's pushes are sent: those whose answer somebody waits for go before the
// others; within a lane the oldest goes first.
enum class PushLane : std::uint8_t { kAnswered, kOthers };
inline constexpr std::size_t kPushLanes = 2;
[[nodiscard]] inline PushLane lane_of(std::string_view kind) {
  const PushKindRow* const row = find_push_kind(kind);
  return row != nullptr && row->push_class == PushClass::kRpc ? PushLane::kAnswered
                                                              : PushLane::kOthers;
}

struct PushRecord {
  std::int64_t seq = 0;  // row number, ascending in order of acceptance; the Session's token
  Ulid id;
  DeviceId device;
  std::string kind;
  std::string params;  // JSON
  // Of two pushes to a device with the same key the newer replaces the older, if that was not sent
  // yet. Empty: replaces nothing.
  std::string collapse_key{};
  PushState state = PushState::kStored;
  int attempts = 0;
  std::string reason{};  // of an end that is not completed
  std::string result{};  // JSON, the device's answer
  WallTime expires{};
  // When each state was reached, kSent the last time; nothing for those that were not. Reads show a
  // push whose time is over as expired, whether expire() has come by or not.
  std::array<std::optional<WallTime>, kPushStates> reached{};
  std::int64_t rollout = 0;  // RolloutRecord::number; 0: it is of none
};

[[nodiscard]] Error unknown_push(const Ulid& id);

// An acknowledged push whose device never answers ends as expired that long after its time to live:
// a device may work on it for as long as the longest.
inline constexpr std::chrono::seconds kAnswerWait = kMaxTtl;

// When a push that has not ended does, if it stays in STATE.
[[nodiscard]] inline WallTime end_of_time(PushState state, WallTime expires) {
  return state >= PushState::kAcked ? expires + kAnswerWait : expires;
}

// A step in the life of a push. An answer can overtake the PUBACK, so a step may come too late to
// change the state (may_follow(), or the push's time is over): then it fills in its time, if that
// is not known, and changes nothing else; a final one is ignored. kSent again, with more attempts,
// counts the attempts and is the time from now on. A step with a time of sending is two: the
// sending and what followed it.
struct PushStep {
  std::int64_t seq = 0;
  PushState state = PushState::kSent;
  WallTime at{};
  int attempts = 0;      // with kSent, or `sent`: how often it has been sent by then
  std::string reason{};  // with the ends
  std::string result{};  // with kCompleted, kFailed
  std::optional<WallTime> sent{};
};

// Who wants to know what became of steps. Many at a time have the same: for each a callback of its
// own would cost more than the step.
class StepSink {
 public:
  virtual ~StepSink() = default;
  // On the store's thread, or on that of the call when too many steps wait; must not block. STATUS:
  // kNotFound: no such push any more. Ignored steps are no error.
  virtual void written(PushStep&& step, const Status& status) = 0;
};

// Who writes them. Thread safe.
class StepWriter {
 public:
  virtual ~StepWriter() = default;
  // SINK may be null.
  virtual void step(PushStep step, std::shared_ptr<StepSink> sink = nullptr) = 0;
  // The push was sent, and the step that says so comes later: nothing replaces the push until then.
  // False: too many do; this step must come now.
  [[nodiscard]] virtual bool sent_ahead(const PushStep& sent) = 0;
};

// What is asked of a device that connects.
struct Arrival {
  std::string group;
  std::string platform;  // empty: not known
  std::string address;   // as last seen, else as given; empty: not known
  bool revoked = false;
  bool resync = false;       // DeviceRecord::resync
  bool pushes_wait = false;  // there may be some of pending()
};

// Thread safe. Changes return at once and are done in the order they came in; reads see those that
// are done, at least.
class ShardStore : public StepWriter {
 public:
  using Done = std::function<void(Status)>;

  // Below 10 microseconds: for every connect.
  [[nodiscard]] virtual Result<std::optional<Arrival>> arriving(const DeviceId& id) const = 0;
  [[nodiscard]] virtual Result<std::optional<DeviceRecord>> find_device(
      const DeviceId& id) const = 0;
  // ADDRESS: where from; empty when that says nothing. Seen by reads at once, written every few
  // seconds and on close; lost with the process.
  virtual void touch_device(const DeviceId& id, WallTime seen, std::string_view address) = 0;
  // When the certificate ends that the device has made a connection with. As touch_device().
  virtual void note_certificate(const DeviceId& id, WallTime seen, WallTime ends) = 0;
  // A connection of the device ended. As touch_device().
  virtual void note_disconnect(const DeviceId& id, const Disconnect& end) = 0;
  // What the device said of itself at NOW; IN_SYNC: it has the policy that it should have, and so
  // what it has missed is made up for. DONE, which may be null: kNotFound.
  virtual void report(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now,
                      Done done = nullptr) = 0;

  // Before it is sent: by the steps that were queued before. After that kConflict, saying how far
  // it is; kNotFound. The push as it is then.
  using Cancelled = std::function<void(Result<PushRecord>)>;
  virtual void cancel(const Ulid& id, std::string reason, Cancelled done) = 0;
  [[nodiscard]] virtual Result<std::optional<PushRecord>> find_push(const Ulid& id) const = 0;
  // Neither final nor acknowledged, not expired at NOW, oldest first, with seq above AFTER; of one
  // lane, or of all.
  [[nodiscard]] virtual Result<std::vector<PushRecord>> pending(
      const DeviceId& device, WallTime now, std::int64_t after, std::size_t limit,
      std::optional<PushLane> lane) const = 0;
  // Pushes up to this number that nobody is known to have sent may have been sent all the same: by
  // a process that was killed before it could note that, or after the backup was made from which
  // the database was restored. Constant while the store is open.
  [[nodiscard]] virtual std::int64_t perhaps_sent() const = 0;
};

}  // namespace kscpush::server

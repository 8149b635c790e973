// The durable state of one push server: the registry of devices and the pushes, in SQLite.
//
// One writer thread runs every change; what is queued when it gets to it becomes one transaction
// (group commit, WAL, synchronous=FULL), and a change's callback runs after that transaction is on
// disk. Reads run on the caller's thread against connections of their own.
//
// The directory is locked while it is open: one process at a time.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "core/result.hpp"

namespace kscpush::server {

struct DeviceRecord {
  DeviceId id;
  std::string group;
  // SHA-256 of the certificate enrolled last; empty until then. Others of the same CA and name are
  // accepted as long as the device is not revoked.
  std::string fingerprint;
  bool revoked = false;
  WallTime added{};
  std::optional<WallTime> last_seen;
};

struct PushRecord {
  std::int64_t seq = 0;  // row number, ascending in order of acceptance; the Session's token
  Ulid id;
  DeviceId device;
  std::string kind;
  std::string params;  // JSON
  PushState state = PushState::kStored;
  int attempts = 0;
  std::string reason;  // of an end that is not completed
  std::string result;  // JSON, the device's answer
  WallTime expires{};
  // When each state was reached; nothing for those that were not.
  std::array<std::optional<WallTime>, kPushStates> reached{};
};

// A step in the life of a push. Steps that would go back are ignored: an answer can overtake the
// PUBACK.
struct PushStep {
  std::int64_t seq = 0;
  PushState state = PushState::kSent;
  WallTime at{};
  int attempts = 0;     // with kSent: how often it has been sent by now
  std::string reason;   // with the ends
  std::string result;   // with kCompleted, kFailed
};

struct StoreLimits {
  std::size_t queued_changes = 100'000;    // more are answered kOverloaded at once
  std::size_t pending_per_device = 50;     // more pushes are answered kOverloaded
  std::chrono::hours keep_history{7 * 24};  // of pushes that are final
};

// Thread safe.
class Store {
 public:
  using Done = std::function<void(Status)>;  // on the writer thread; must not block

  // Creates the directory and the schema when there is none. Errors: held by another process
  // (kConflict, with its pid), a newer schema, not a database, no permission, disk full.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::filesystem::path& directory,
                                                           const Clock& clock,
                                                           StoreLimits limits = {});
  ~Store();  // completes what is queued

  // Registry. kConflict: exists already. kNotFound: does not exist.
  [[nodiscard]] Status add_device(const DeviceId& id, const std::string& group);
  [[nodiscard]] Status set_fingerprint(const DeviceId& id, const std::string& fingerprint);
  [[nodiscard]] Result<std::optional<DeviceRecord>> find_device(const DeviceId& id) const;
  [[nodiscard]] Result<std::vector<DeviceRecord>> list_devices() const;
  void touch_device(const DeviceId& id, WallTime seen);  // batched; lost with the process

  // Pushes. The callback gets kOverloaded or kNotFound (device) instead of a stored push.
  void add_push(PushRecord push, std::function<void(Result<PushRecord>)> done);
  void step(PushStep step, Done done = nullptr);
  [[nodiscard]] Result<std::optional<PushRecord>> find_push(const Ulid& id) const;
  // Neither final nor acknowledged, not expired at NOW, oldest first, with seq above AFTER.
  [[nodiscard]] Result<std::vector<PushRecord>> pending(const DeviceId& device, WallTime now,
                                                        std::int64_t after,
                                                        std::size_t limit) const;
  // Ends as expired what is past its time to live, and drops history past its time.
  void expire(WallTime now);

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kscpush::server

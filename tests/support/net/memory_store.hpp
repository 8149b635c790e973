// The store in memory, for one thread: what Store does, without a disk.
//
// Changes wait in a queue until commit(), as they do for the disk; autocommit does so at once. A
// crash() loses the queue, and nothing else. unit/server/memory_store_test.cpp holds it to Store.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/store/shard_store.hpp"
#include "server/store/store.hpp"

namespace kscpush::test {

class MemoryStore final : public server::ShardStore {
 public:
  enum class Commit : std::uint8_t { kAtOnce, kByHand };
  explicit MemoryStore(const Clock& clock, Commit commit = Commit::kAtOnce,
                       server::StoreLimits limits = {})
      : clock_(clock), limits_(limits), mode_(commit) {}

  // The registry is changed at once.
  void add_device(const DeviceId& id, const std::string& group = "Managed devices");
  void set_revoked(const DeviceId& id, bool revoked);
  // What devices have missed is known by this alone, and taken back by reports; not by pushes.
  void set_resync(const DeviceId& id, std::optional<server::ResyncRequired> resync) {
    devices_.at(id.str()).resync = resync;
  }
  void remove_device(const DeviceId& id) { devices_.erase(id.str()); }

  using Stored = std::function<void(Result<server::PushRecord>)>;
  void add_push(server::PushRecord push, Stored done);
  void expire(WallTime now);

  // Does up to COUNT queued changes, with their callbacks.
  void commit(std::size_t count = static_cast<std::size_t>(-1));
  void crash() {
    queue_.clear();
    sent_ahead_.clear();
    perhaps_sent_ = last_seq_;
  }
  // In good order, which leaves a trace when a step was not written.
  void close();
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  // Every push there is, in order of seq.
  [[nodiscard]] const std::map<std::int64_t, server::PushRecord>& pushes() const { return pushes_; }
  // Reads fail from now on, as on a broken disk.
  void set_broken(bool broken) { broken_ = broken; }
  // Changes that are committed from now on fail, as on a full disk.
  void set_full(bool full) { full_ = full; }
  [[nodiscard]] bool full() const { return full_; }

  // ShardStore
  [[nodiscard]] Result<std::optional<server::Arrival>> arriving(const DeviceId& id) const override;
  [[nodiscard]] Result<std::optional<server::DeviceRecord>> find_device(
      const DeviceId& id) const override;
  void touch_device(const DeviceId& id, WallTime seen, std::string_view address) override;
  void note_certificate(const DeviceId& id, WallTime seen, WallTime ends) override;
  void note_disconnect(const DeviceId& id, const server::Disconnect& end) override;
  // Of all devices, in order.
  using Disconnects = std::vector<std::pair<std::string, server::Disconnect>>;
  [[nodiscard]] const Disconnects& disconnects() const { return disconnects_; }
  void report(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now,
              Done done) override;
  void step(server::PushStep step, std::shared_ptr<server::StepSink> sink = nullptr) override;
  [[nodiscard]] bool sent_ahead(const server::PushStep& sent) override {
    sent_ahead_.insert_or_assign(sent.seq, sent);
    return true;
  }
  void cancel(const Ulid& id, std::string reason, Cancelled done) override;
  [[nodiscard]] Result<std::optional<server::PushRecord>> find_push(const Ulid& id) const override;
  [[nodiscard]] Result<std::vector<server::PushRecord>> pending(
      const DeviceId& device, WallTime now, std::int64_t after, std::size_t limit,
      std::optional<server::PushLane> lane = std::nullopt) const override;
  [[nodiscard]] std::int64_t perhaps_sent() const override { return perhaps_sent_; }

 private:
  void post(std::function<void()> change);
  Result<server::PushRecord> add_now(server::PushRecord push);
  Result<server::PushRecord> cancel_now(const Ulid& id, const std::string& reason);
  Status step_now(const server::PushStep& step);
  static void note(server::PushRecord& push, const server::PushStep& step);
  void move_to(server::PushRecord& push, const server::PushStep& step);
  [[nodiscard]] std::optional<server::PushStep> end_of(const server::PushRecord& push,
                                                       WallTime now) const;
  void end_if_due(server::PushRecord& push, WallTime now);
  void expire_now(WallTime now);
  [[nodiscard]] std::set<std::int64_t>& waiting(const server::PushRecord& push) {
    return waiting_[push.device.str()];
  }

  const Clock& clock_;
  const server::StoreLimits limits_;
  const Commit mode_;
  std::deque<std::function<void()>> queue_;
  std::map<std::string, server::DeviceRecord, std::less<>> devices_;
  std::map<std::int64_t, server::PushRecord> pushes_;
  std::map<std::string, std::int64_t, std::less<>> seq_of_;             // by id
  std::map<std::string, std::set<std::int64_t>, std::less<>> waiting_;  // not acknowledged
  std::map<std::int64_t, server::PushStep> sent_ahead_;                 // by seq
  Disconnects disconnects_;
  std::int64_t last_seq_ = 0;
  std::int64_t perhaps_sent_ = 0;
  bool broken_ = false;
  bool full_ = false;
  bool missed_ = false;
};

}  // namespace kscpush::test

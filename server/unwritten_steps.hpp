// What a shard knows of its pushes ahead of the disk, and the way of their steps to the store.
//
// The store writes steps behind. A device that comes back before the commit would be sent what it
// has acknowledged, or the same attempt once more, if the store alone were asked. And a step that
// the disk does not take, as it is full or fails, is kept here until it does: an acknowledgement
// that came is not denied.
//
// That a push was sent may wait here for what follows, which mostly is its acknowledgement, so that
// both are one step and its row is written once (docs/decisions/0012). After a kill the store takes
// for sent what may have been (ShardStore::perhaps_sent()).
//
// For the shard's thread, except the sinks: these may be told on any thread, also when the table is
// gone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "server/store/shard_store.hpp"

namespace kscpush::server {

class UnwrittenSteps {
 public:
  // As many as the store queues. Of more pushes than that the surplus is not noted: what could
  // happen to these is that they are sent once too often.
  static constexpr std::size_t kMost = 100'000;

  struct Progress {
    int attempts = 0;   // how often it was sent; 0: not known here
    WallTime sent{};    // the last time
    bool over = false;  // acknowledged, answered or ended: not to be sent any more
  };

  // STORE outlives it.
  explicit UnwrittenSteps(StepWriter& store, std::size_t most = kMost)
      : store_(store), most_(most) {}

  // Notes the step and gives it to the store, with the sending that was held.
  void put(PushStep step);
  // The same of a sending, which may be held until what follows, or until write(). REPLACEABLE: a
  // newer push may replace this one while the store does not know.
  void hold(PushStep sent, bool replaceable);
  // Gives the store what it has not got of this push: what is held, and once more what it could not
  // write.
  void write(std::int64_t seq);
  // Gives it what is held: of all; or what was held when this was called last, so that whoever
  // calls it every so often holds nothing for longer than twice that.
  void write();
  void write_old();
  // Gives the store once more up to COUNT of the steps that it could not write.
  void retry(std::size_t count);
  // What is known of the push beyond the disk.
  [[nodiscard]] Progress progress(std::int64_t seq);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // How often a step could not be written. Thread safe.
  [[nodiscard]] std::uint64_t failures() const { return mailbox_->failures.load(); }

 private:
  struct Entry {
    Progress progress;
    std::uint32_t under_way = 0;
    bool held = false;  // that it was sent, as `progress` has it
  };
  struct Mailbox : StepSink {
    void written(PushStep&& step, const Status& status) override;
    bool failed(const Status& status);  // and counts it

    std::atomic<bool> any{false};  // may be something in it: to look costs no lock
    std::mutex mutex;
    // Guarded by mutex; bounded by what is under way.
    std::vector<std::int64_t> settled;  // seqs
    std::vector<PushStep> not_written;
    std::atomic<std::uint64_t> failures{0};
  };
  // Of what is not noted.
  struct Surplus : StepSink {
    explicit Surplus(std::shared_ptr<Mailbox> counts) : mailbox(std::move(counts)) {}
    void written(PushStep&& step, const Status& status) override;
    const std::shared_ptr<Mailbox> mailbox;
  };
  // Null: there are too many.
  [[nodiscard]] Entry* note(const PushStep& step);
  void empty_mailbox();
  void write_held(std::int64_t seq);

  StepWriter& store_;
  const std::size_t most_;
  std::pmr::unsynchronized_pool_resource pool_;  // an entry comes and goes with each push
  std::pmr::unordered_map<std::int64_t, Entry> entries_{&pool_};  // by seq
  // Seqs; those as well that are not held any more.
  std::vector<std::int64_t> held_;
  std::vector<std::int64_t> held_longer_;  // since before the last write_old()
  std::vector<PushStep> failed_;           // each under way in its entry
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::shared_ptr<Surplus> surplus_ = std::make_shared<Surplus>(mailbox_);
  std::vector<std::int64_t> taken_;  // kept for its memory
};

}  // namespace kscpush::server

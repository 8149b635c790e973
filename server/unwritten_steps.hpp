// What a shard knows of its pushes ahead of the disk.
//
// The store writes steps behind. A device that comes back before the commit would be sent what it
// has acknowledged, or the same attempt once more, if the store alone were asked. And a step that
// the disk does not take, as it is full or fails, is kept here until it does: an acknowledgement
// that came is not denied.
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

  explicit UnwrittenSteps(std::size_t most = kMost) : most_(most) {}

  // Notes the step; the sink goes with it to the store.
  [[nodiscard]] std::shared_ptr<StepSink> note(const PushStep& step);
  // What is known of the push beyond the disk.
  [[nodiscard]] Progress progress(std::int64_t seq);
  // Up to COUNT of the steps that the store could not write, to be given to it once more with
  // noted(). They stay noted.
  [[nodiscard]] std::vector<PushStep> take_failed(std::size_t count);
  [[nodiscard]] std::shared_ptr<StepSink> noted() const { return mailbox_; }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // How often a step could not be written. Thread safe.
  [[nodiscard]] std::uint64_t failures() const { return mailbox_->failures.load(); }

 private:
  struct Entry {
    Progress progress;
    std::uint32_t under_way = 0;
  };
  struct Mailbox : StepSink {
    void written(PushStep&& step, const Status& status) override;
    bool failed(const Status& status);  // and counts it

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
  void empty_mailbox();

  const std::size_t most_;
  std::pmr::unsynchronized_pool_resource pool_;  // an entry comes and goes with each push
  std::pmr::unordered_map<std::int64_t, Entry> entries_{&pool_};  // by seq
  std::vector<PushStep> failed_;                                  // each under way in its entry
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::shared_ptr<Surplus> surplus_ = std::make_shared<Surplus>(mailbox_);
  std::vector<std::int64_t> taken_;  // kept for its memory
};

}  // namespace kscpush::server

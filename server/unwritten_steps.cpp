#include "server/unwritten_steps.hpp"

#include <algorithm>
#include <iterator>

namespace kscpush::server {

void UnwrittenSteps::empty_mailbox() {
  {
    const std::scoped_lock lock(mailbox_->mutex);
    taken_.swap(mailbox_->outcomes);
  }
  for (Outcome& outcome : taken_) {
    if (outcome.failed) {
      failed_.push_back(std::move(*outcome.failed));
      continue;
    }
    const auto found = entries_.find(outcome.seq);
    if (found != entries_.end() && --found->second.under_way == 0) entries_.erase(found);
  }
  taken_.clear();
}

ShardStore::Done UnwrittenSteps::callback(const PushStep& step, bool noted) const {
  return [mailbox = mailbox_, step, noted](const Status& status) {
    // A push that is gone has lost nothing.
    const bool failed = !status && status.error().code != ErrorCode::kNotFound;
    if (failed) ++mailbox->failures;
    if (!noted) return;
    const std::scoped_lock lock(mailbox->mutex);
    mailbox->outcomes.push_back({step.seq, failed ? std::optional(step) : std::nullopt});
  };
}

ShardStore::Done UnwrittenSteps::note(const PushStep& step) {
  empty_mailbox();
  const bool noted = entries_.size() < most_ || entries_.contains(step.seq);
  if (noted) {
    Entry& entry = entries_[step.seq];
    ++entry.under_way;
    if (step.state == PushState::kSent) {
      entry.progress.attempts = std::max(entry.progress.attempts, step.attempts);
      entry.progress.sent = step.at;
    } else {
      entry.progress.over = true;
    }
  }
  return callback(step, noted);
}

UnwrittenSteps::Progress UnwrittenSteps::progress(std::int64_t seq) {
  empty_mailbox();
  const auto found = entries_.find(seq);
  return found == entries_.end() ? Progress{} : found->second.progress;
}

std::vector<PushStep> UnwrittenSteps::take_failed(std::size_t count) {
  empty_mailbox();
  const auto end = failed_.begin() + static_cast<std::ptrdiff_t>(std::min(count, failed_.size()));
  std::vector<PushStep> taken(std::make_move_iterator(failed_.begin()),
                              std::make_move_iterator(end));
  failed_.erase(failed_.begin(), end);
  return taken;
}

}  // namespace kscpush::server

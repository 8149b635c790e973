#include "server/unwritten_steps.hpp"

#include <algorithm>
#include <iterator>

namespace kscpush::server {

void UnwrittenSteps::empty_mailbox() {
  {
    const std::scoped_lock lock(mailbox_->mutex);
    taken_.swap(mailbox_->settled);
    std::ranges::move(mailbox_->not_written, std::back_inserter(failed_));
    mailbox_->not_written.clear();
  }
  for (const std::int64_t seq : taken_) {
    const auto found = entries_.find(seq);
    if (found != entries_.end() && --found->second.under_way == 0) entries_.erase(found);
  }
  taken_.clear();
}

bool UnwrittenSteps::Mailbox::failed(const Status& status) {
  // A push that is gone has lost nothing.
  if (status || status.error().code == ErrorCode::kNotFound) return false;
  ++failures;
  return true;
}

void UnwrittenSteps::Mailbox::written(PushStep&& step, const Status& status) {
  const bool again = failed(status);
  const std::scoped_lock lock(mutex);
  if (again) {
    not_written.push_back(std::move(step));
  } else {
    settled.push_back(step.seq);
  }
}

void UnwrittenSteps::Surplus::written(PushStep&& /*step*/, const Status& status) {
  mailbox->failed(status);
}

std::shared_ptr<StepSink> UnwrittenSteps::note(const PushStep& step) {
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
  if (noted) return mailbox_;
  return surplus_;
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

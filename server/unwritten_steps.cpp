#include "server/unwritten_steps.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace kscpush::server {

void UnwrittenSteps::empty_mailbox() {
  if (!mailbox_->any.load(std::memory_order_acquire)) return;
  {
    const std::scoped_lock lock(mailbox_->mutex);
    mailbox_->any.store(false, std::memory_order_relaxed);
    taken_.swap(mailbox_->settled);
    std::ranges::move(mailbox_->not_written, std::back_inserter(failed_));
    mailbox_->not_written.clear();
  }
  for (const std::int64_t seq : taken_) {
    const auto found = entries_.find(seq);
    if (found == entries_.end() || --found->second.under_way > 0) continue;
    if (!found->second.held) entries_.erase(found);
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
  any.store(true, std::memory_order_release);
}

void UnwrittenSteps::Surplus::written(PushStep&& /*step*/, const Status& status) {
  mailbox->failed(status);
}

UnwrittenSteps::Entry* UnwrittenSteps::note(const PushStep& step) {
  empty_mailbox();
  auto found = entries_.find(step.seq);
  if (found == entries_.end()) {
    if (entries_.size() >= most_) return nullptr;
    found = entries_.try_emplace(step.seq).first;
  }
  Progress& progress = found->second.progress;
  if (step.state == PushState::kSent) {
    progress.attempts = std::max(progress.attempts, step.attempts);
    progress.sent = step.at;
  } else {
    progress.over = true;
  }
  return &found->second;
}

void UnwrittenSteps::put(PushStep step) {
  Entry* const entry = note(step);
  if (entry == nullptr) return store_.step(std::move(step), surplus_);
  // A later sending says what the one that is held does.
  if (std::exchange(entry->held, false) && step.state != PushState::kSent) {
    step.sent = entry->progress.sent;
    step.attempts = entry->progress.attempts;
  }
  ++entry->under_way;
  store_.step(std::move(step), mailbox_);
}

void UnwrittenSteps::hold(PushStep sent, bool replaceable) {
  if (replaceable && !store_.sent_ahead(sent)) return put(std::move(sent));
  Entry* const entry = note(sent);
  if (entry == nullptr) return store_.step(std::move(sent), surplus_);
  if (!std::exchange(entry->held, true)) held_.push_back(sent.seq);
}

void UnwrittenSteps::write(std::int64_t seq) {
  empty_mailbox();
  // std::ranges::stable_partition does not compile with clang 14 and this library.
  const auto not_written = std::stable_partition(
      failed_.begin(), failed_.end(), [seq](const PushStep& step) { return step.seq != seq; });
  for (auto step = not_written; step != failed_.end(); ++step) {
    store_.step(std::move(*step), mailbox_);
  }
  failed_.erase(not_written, failed_.end());
  write_held(seq);
}

void UnwrittenSteps::write_held(std::int64_t seq) {
  const auto found = entries_.find(seq);
  if (found == entries_.end() || !std::exchange(found->second.held, false)) return;
  ++found->second.under_way;
  const Progress& progress = found->second.progress;
  store_.step({seq, PushState::kSent, progress.sent, progress.attempts}, mailbox_);
}

void UnwrittenSteps::write_old() {
  for (const std::int64_t seq : held_longer_) write_held(seq);
  held_longer_.clear();
  held_.swap(held_longer_);
}

void UnwrittenSteps::write() {
  write_old();
  write_old();
}

UnwrittenSteps::Progress UnwrittenSteps::progress(std::int64_t seq) {
  empty_mailbox();
  const auto found = entries_.find(seq);
  return found == entries_.end() ? Progress{} : found->second.progress;
}

void UnwrittenSteps::retry(std::size_t count) {
  empty_mailbox();
  const auto end = failed_.begin() + static_cast<std::ptrdiff_t>(std::min(count, failed_.size()));
  std::vector<PushStep> again(std::make_move_iterator(failed_.begin()),
                              std::make_move_iterator(end));
  failed_.erase(failed_.begin(), end);
  for (PushStep& step : again) store_.step(std::move(step), mailbox_);
}

}  // namespace kscpush::server

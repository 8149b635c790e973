#include "server/events/push_waits.hpp"

#include <utility>

namespace kscpush::server {

bool has_reached(PushState now, PushState state) {
  return now >= state;  // the ends have the highest numbers
}

PushWaits::PushWaits(const Store& store, std::size_t most) : store_(store), most_(most) {
  thread_ = std::thread([this] { loop(); });
  ::pthread_setname_np(thread_.native_handle(), "waits");
}

void PushWaits::wait(const Ulid& id, PushState state, Duration timeout, const Done& done) {
  auto push = store_.find_push(id);
  if (!push) return done(fail(push.error()));
  if (!push->has_value()) return done(fail(unknown_push(id)));
  if (has_reached((*push)->state, state)) return done(std::move(**push));
  if (auto refused = enter((*push)->seq, state, timeout, done)) {
    return done(fail(std::move(*refused)));
  }
  wake_.notify_one();
}

std::optional<Error> PushWaits::enter(std::int64_t seq, PushState state, Duration timeout,
                                      const Done& done) {
  const std::scoped_lock lock(mutex_);
  if (stop_) return Error{ErrorCode::kUnreachable, "the push server is stopping", ""};
  if (waits_.size() >= most_) {
    return Error{ErrorCode::kOverloaded, fmt::format("{} requests wait for pushes already", most_),
                 "ask again without 'wait', or follow 'kscpush events'"};
  }
  const auto at = waits_.emplace(std::chrono::steady_clock::now() + timeout,
                                 Wait{seq, ++last_number_, state, done});
  of_push_.emplace(std::pair(seq, last_number_), at);
  ++count_;
  // It may have changed between the look at it and now.
  changed_.push_back(seq);
  return std::nullopt;
}

void PushWaits::changed(const PushChanges& changes) {
  if (count_.load() == 0) return;
  {
    const std::scoped_lock lock(mutex_);
    for (const PushChange& change : changes) {
      const auto first = of_push_.lower_bound({change.seq, 0});
      if (first != of_push_.end() && first->first.first == change.seq) {
        changed_.push_back(change.seq);
      }
    }
    if (changed_.empty()) return;
  }
  wake_.notify_one();
}

PushWaits::Wait PushWaits::take(Waits::iterator at) {
  of_push_.erase({at->second.seq, at->second.number});
  Wait wait = std::move(at->second);
  waits_.erase(at);
  --count_;
  return wait;
}

std::vector<PushWaits::Wait> PushWaits::take_due(MonoTime now) {
  const std::scoped_lock lock(mutex_);
  std::vector<Wait> due;
  while (!waits_.empty() && (stop_ || waits_.begin()->first <= now)) {
    due.push_back(take(waits_.begin()));
  }
  return due;
}

std::vector<PushWaits::Wait> PushWaits::take_reached(const std::vector<std::int64_t>& seqs) {
  std::vector<Wait> reached;
  for (const std::int64_t seq : seqs) {
    const auto push = store_.find_push(seq);
    if (!push) continue;  // at its deadline it is told
    const std::scoped_lock lock(mutex_);
    std::vector<Waits::iterator> over;
    const auto last = of_push_.lower_bound({seq + 1, 0});
    for (auto entry = of_push_.lower_bound({seq, 0}); entry != last; ++entry) {
      const Wait& wait = entry->second->second;
      if (!push->has_value() || has_reached((*push)->state, wait.state)) {
        over.push_back(entry->second);
      }
    }
    for (const auto at : over) reached.push_back(take(at));
  }
  return reached;
}

void PushWaits::answer(const std::vector<Wait>& waits) const {
  for (const Wait& wait : waits) {
    auto push = store_.find_push(wait.seq);
    if (!push) {
      wait.done(fail(push.error()));
    } else if (!push->has_value()) {
      wait.done(fail({ErrorCode::kNotFound, "the push is gone: its device was removed", ""}));
    } else {
      wait.done(std::move(**push));
    }
  }
}

void PushWaits::loop() {
  std::vector<std::int64_t> changed;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return stop_ || !changed_.empty(); };
      if (waits_.empty()) {
        wake_.wait(lock, ready);
      } else {
        const MonoTime first = waits_.begin()->first;
        wake_.wait_until(lock, first, ready);
      }
      changed.swap(changed_);
      if (stop_ && waits_.empty()) return;
    }
    answer(take_reached(changed));
    changed.clear();
    answer(take_due(std::chrono::steady_clock::now()));
  }
}

void PushWaits::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace kscpush::server

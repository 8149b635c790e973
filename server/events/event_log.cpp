#include "server/events/event_log.hpp"

#include <algorithm>

namespace kscpush::server {

// Slots are used again, with the memory of their strings.
Event& EventLog::next() {
  const std::size_t place = newest_ % kept_;
  if (place == ring_.size()) ring_.emplace_back();
  ring_[place].number = ++newest_;
  return ring_[place];
}

void EventLog::wake_up() {
  if (expected_.load(std::memory_order_relaxed) && expected_.exchange(false)) wake_();
}

void EventLog::device(EventType type, std::string_view id, WallTime at, mqtt::EndReason reason) {
  {
    const std::scoped_lock lock(mutex_);
    Event& event = next();
    event.type = type;
    event.at = at;
    event.device = id;
    event.reason = reason;
  }
  wake_up();
}

void EventLog::pushes(const PushChanges& changes) {
  {
    const std::scoped_lock lock(mutex_);
    for (const PushChange& change : changes) {
      Event& event = next();
      event.type = EventType::kPush;
      event.at = change.at;
      event.state = change.state;
      event.subject = change.seq;
    }
  }
  wake_up();
}

void EventLog::resyncs(const std::vector<ResyncChange>& changes) {
  {
    const std::scoped_lock lock(mutex_);
    for (const ResyncChange& change : changes) {
      Event& event = next();
      event.type =
          change.reason ? EventType::kDeviceResyncRequired : EventType::kDeviceResynchronized;
      event.at = change.at;
      event.device = change.device.str();
      event.resync = change.reason.value_or(ResyncReason{});
    }
  }
  wake_up();
}

void EventLog::other(EventType type, WallTime at, std::int64_t subject) {
  {
    const std::scoped_lock lock(mutex_);
    Event& event = next();
    event.type = type;
    event.at = at;
    event.subject = subject;
  }
  wake_up();
}

bool EventLog::read(std::uint64_t after, std::size_t count, std::vector<Event>& events) const {
  const std::scoped_lock lock(mutex_);
  if (after + 1 < newest_ + 1 - ring_.size()) return false;
  const std::uint64_t last = std::min<std::uint64_t>(newest_, after + count);
  for (std::uint64_t number = after + 1; number <= last; ++number) {
    events.push_back(ring_[(number - 1) % kept_]);
  }
  return true;
}

std::uint64_t EventLog::newest() const {
  const std::scoped_lock lock(mutex_);
  return newest_;
}

std::uint64_t EventLog::oldest() const {
  const std::scoped_lock lock(mutex_);
  return newest_ + 1 - ring_.size();
}

void EventLog::on_event(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  expected_ = false;
  wake_ = std::move(wake);
}

}  // namespace kscpush::server

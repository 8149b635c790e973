// What happened lately, in a ring: for those who follow it as it happens, and for those who were
// away for a moment.
//
// An event is a few numbers, and the device's name when it is about one; words and JSON are made by
// who reads it, so that nobody pays for them while nobody listens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/mqtt/session.hpp"
#include "core/push.hpp"
#include "server/store/push_change.hpp"

namespace kscpush::server {

enum class EventType : std::uint8_t {
  // Of devices, all before kPush.
  kDeviceConnected,
  kDeviceDisconnected,
  kDeviceResyncRequired,
  kDeviceResynchronized,
  kPush,
  kSiteApplied,
  kServerDraining,
  kServerServing,  // draining no more
  kServerStopping,
};

struct Event {
  EventType type{};
  mqtt::EndReason reason{};  // of kDeviceDisconnected
  ResyncReason resync{};     // of kDeviceResyncRequired
  PushState state{};         // of kPush
  WallTime at{};
  std::string device{};      // of device events
  std::int64_t subject = 0;  // of kPush its PushRecord::seq, of kSiteApplied the revision
  std::uint64_t number = 0;  // 1 is the server's first; the log's to set
};

// Thread safe.
class EventLog {
 public:
  static constexpr std::size_t kKept = 10'000;
  EventLog() : EventLog(kKept) {}
  explicit EventLog(std::size_t kept) : kept_(kept) { ring_.reserve(kept_); }

  void device(EventType type, std::string_view id, WallTime at, mqtt::EndReason reason = {});
  void pushes(const PushChanges& changes);
  void resyncs(const std::vector<ResyncChange>& changes);
  void other(EventType type, WallTime at, std::int64_t subject = 0);

  // Appends up to COUNT of those behind number AFTER, oldest first. False: some of them are not
  // kept any more; nothing is appended.
  [[nodiscard]] bool read(std::uint64_t after, std::size_t count, std::vector<Event>& events) const;
  [[nodiscard]] std::uint64_t newest() const;  // number; 0: none yet
  [[nodiscard]] std::uint64_t oldest() const;  // of those that are kept; newest() + 1: none

  // WAKE is called once, on the thread of the event, at the next event after each call of expect().
  // It must be quick. Set before there are events, or null.
  void on_event(std::function<void()> wake);
  void expect() { expected_ = true; }

 private:
  Event& next();  // mutex_ held
  void wake_up();

  const std::size_t kept_;
  std::function<void()> wake_;
  std::atomic<bool> expected_{false};
  mutable std::mutex mutex_;
  // Under mutex_; number N is at (N - 1) % kept_. Reserved, which costs no memory until it is used:
  // grown it would be up to twice as large, and leave a hole of each size that it once had.
  std::vector<Event> ring_;
  std::uint64_t newest_ = 0;  // under mutex_
};

}  // namespace kscpush::server

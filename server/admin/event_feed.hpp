// GET /v1/events: what happens, as server-sent events, to all who listen.
//
// Every listener reads the log at its own pace: while it has bytes that it has not taken it is
// given nothing more, and when the log has lost what it would have to be given next, it is told so
// ("overflow") and let go. One thread renders for all of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/admin/http_server.hpp"
#include "server/push_server.hpp"

namespace kscpush::server {

struct EventFilter {
  // KIND is all of a kind ("device", "push", "site", "server") or one type ("push.acked"); several
  // are separated by commas. Empty: all. kUsage.
  [[nodiscard]] static Result<EventFilter> parse(std::string_view types, std::string_view device,
                                                 std::string group);
  std::vector<std::string> types;
  std::string device;  // empty: all
  std::string group;   // with its subgroups; empty: all
};

struct EventFeedOptions {
  std::size_t listeners = 64;
  std::size_t unsent_bytes = std::size_t{64} << 10U;  // then a listener is given nothing more
  std::chrono::milliseconds heartbeat{15'000};
};

class EventFeed {
 public:
  explicit EventFeed(PushServer& server, EventFeedOptions options = {});
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;
  ~EventFeed();

  // The answer to a listener, which goes on from LAST_EVENT_ID, or from now when that is empty.
  // Thread safe. kOverloaded.
  [[nodiscard]] Result<HttpResponse> listen(EventFilter filter, std::string last_event_id);
  void stop();  // ends all streams

  [[nodiscard]] std::size_t listeners() const { return listeners_.load(); }
  [[nodiscard]] std::uint64_t overflows() const { return overflows_.load(); }

 private:
  struct Seat;  // of a listener: taken for as long as there is one
  struct Listener;
  // What the streams hold of this: they may outlive it.
  struct Signal {
    std::mutex mutex;
    std::condition_variable wake;
    bool woken = false;
    void set();
  };

  void loop();
  // Until somebody wakes it, or until BEAT_AT; MonoTime::max(): never.
  void wait(std::unique_lock<std::mutex>& lock, MonoTime beat_at);
  void add(std::unique_ptr<Listener> listener);
  void begin(Listener& listener) const;
  // What there is for it, as far as it takes it. True: there may be more at once.
  bool serve(Listener& listener, MonoTime now);
  void beat(Listener& listener, MonoTime now) const;
  [[nodiscard]] std::string id_of(std::uint64_t number) const;
  // Empty: it does not pass the filter, or there is nothing to say any more.
  [[nodiscard]] std::string render(const Event& event, const EventFilter& filter) const;
  [[nodiscard]] std::string render_push(const Event& event, const EventFilter& filter) const;
  [[nodiscard]] bool passes(const EventFilter& filter, const std::string& device) const;

  PushServer& server_;
  EventLog& log_;
  const EventFeedOptions options_;
  const std::int64_t run_;  // of the server: makes ids of different runs differ
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::atomic<std::size_t> listeners_{0};
  std::atomic<std::uint64_t> overflows_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Listener>> newcomers_;  // under signal_->mutex
  std::thread thread_;
};

}  // namespace kscpush::server

// Readiness of a shard's sockets: an epoll set of its own, which asio's loop sees as one
// descriptor.
//
// asio keeps about 400 bytes for each socket that waits (its registration and the pending wait);
// here an idle connection costs nothing beside its own object. Level-triggered, so that what is
// left unread is told again.
//
// One thread, the loop's; add() before that runs is fine too.
#pragma once

#include <array>
#include <cstdint>

#include <asio/io_context.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <sys/epoll.h>

namespace kscpush::server {

using Loop = asio::io_context;

class Watched {
 public:
  // EVENTS: those of epoll. May remove and destroy anything, itself included.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

class Poller {
 public:
  // Throws std::system_error when there is no descriptor left: nothing works then.
  explicit Poller(Loop& loop);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  [[nodiscard]] Loop& loop() { return loop_; }

  // False: the kernel is out of memory, or of watches.
  [[nodiscard]] bool add(int descriptor, Watched& watched, std::uint32_t events);
  void change(int descriptor, Watched& watched, std::uint32_t events);
  // Before the descriptor is closed. No event reaches WATCHED afterwards.
  void remove(int descriptor, Watched& watched);

 private:
  void wait();
  void dispatch();

  Loop& loop_;
  asio::posix::basic_stream_descriptor<Loop::executor_type> set_;
  std::array<epoll_event, 256> batch_{};
  int next_ = 0;   // of batch_, while it is dispatched
  int count_ = 0;  // in batch_
};

}  // namespace kscpush::server

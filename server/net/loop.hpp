// A thread's loop: the readiness of its sockets, what is posted to it, and a few timers.
//
// On epoll itself: of asio's loop a socket that waits takes about 400 bytes, and every wake-up four
// system calls instead of one (docs/decisions/0013). Level-triggered, so that what is left unread
// is told again.
//
// A turn waits for events and tells them, then runs what was posted and the timers that are due.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/epoll.h>

#include "core/clock.hpp"
#include "core/descriptor.hpp"

namespace kscpush::server {

class Watched {
 public:
  // EVENTS: those of epoll. May remove and destroy anything, itself included.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

class LoopTimer;

class Loop {
 public:
  // Throws std::system_error when there is no descriptor left: nothing works then.
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Thread safe. TASK runs on the loop's thread, in the order of posting; what it leaves when it is
  // destroyed does not run. May be a callable that can only be moved.
  template <class Task>
  void post(Task&& task) {
    push(std::make_unique<TaskOf<std::decay_t<Task>>>(std::forward<Task>(task)));
  }
  // Thread safe. run() returns, for good, when what was posted before has run.
  void stop() {
    post([this] { stopped_ = true; });
  }

  // All else on the loop's thread, or before there is one; these three not from what they call.
  void run();
  // Waits at most so long for something to do, and does it; of how many tasks, events and timers.
  std::size_t turn(Duration wait);
  // What can be done now, and what follows from it. As often as you like, also after stop().
  std::size_t poll();

  // False: the kernel is out of memory, or of watches.
  [[nodiscard]] bool add(int descriptor, Watched& watched, std::uint32_t events);
  void change(int descriptor, Watched& watched, std::uint32_t events);
  // Before the descriptor is closed. No event reaches WATCHED afterwards.
  void remove(int descriptor, Watched& watched);

 private:
  friend class LoopTimer;
  struct Task {
    virtual ~Task() = default;
    virtual void run() = 0;
  };
  template <class Call>
  struct TaskOf final : Task {
    explicit TaskOf(Call&& given) : call(std::move(given)) {}
    explicit TaskOf(const Call& given) : call(given) {}
    void run() override { call(); }
    Call call;
  };
  using Tasks = std::vector<std::unique_ptr<Task>>;

  void push(std::unique_ptr<Task> task);
  [[nodiscard]] int milliseconds_to_wait(Duration wait);
  std::size_t tell_events(int count);
  std::size_t run_tasks();
  std::size_t run_timers();

  Descriptor set_;
  Descriptor wake_up_;
  std::array<epoll_event, 256> batch_{};
  int next_ = 0;                    // of batch_, while it is told
  int count_ = 0;                   // in batch_
  Tasks running_;                   // empty but in run_tasks()
  std::vector<LoopTimer*> timers_;  // those that are set: a handful
  bool stopped_ = false;

  std::mutex mutex_;
  Tasks posted_;         // under mutex_
  bool asleep_ = false;  // the same: who posts must wake it
};

// One deadline at a time, to the millisecond. On the loop's thread, or before there is one.
class LoopTimer {
 public:
  explicit LoopTimer(Loop& loop) : loop_(loop) {}
  ~LoopTimer() { cancel(); }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  // THEN is called once, that much later, in place of what was to be called before.
  void set(Duration after, std::function<void()> then);
  void cancel();

 private:
  friend class Loop;
  Loop& loop_;
  MonoTime at_{};
  std::function<void()> then_;  // null: not set
};

}  // namespace kscpush::server

#include "server/net/loop.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include <sys/eventfd.h>

namespace kscpush::server {
namespace {

// Times that what was posted meanwhile runs in the same turn, so that sockets get their turn too.
constexpr int kTaskRounds = 4;

Descriptor checked(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
  return Descriptor(descriptor);
}

}  // namespace

Loop::Loop()
    : set_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_up_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  // Edge-triggered, so that nobody needs to read it.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, wake_up_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

void Loop::push(std::unique_ptr<Task> task) {
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(task));
    if (!std::exchange(asleep_, false)) return;
  }
  static_cast<void>(::eventfd_write(wake_up_.get(), 1));
}

void Loop::run() {
  while (!stopped_) turn(Duration::max());
}

std::size_t Loop::poll() {
  std::size_t all = 0;
  while (const std::size_t done = turn(Duration::zero())) all += done;
  return all;
}

std::size_t Loop::turn(Duration wait) {
  const int got = ::epoll_wait(set_.get(), batch_.data(), static_cast<int>(batch_.size()),
                               milliseconds_to_wait(wait));
  std::size_t done = tell_events(got);
  for (int round = 0; round < kTaskRounds; ++round) {
    const std::size_t ran = run_tasks();
    if (ran == 0) break;
    done += ran;
  }
  return done + run_timers();
}

// From here on who posts something wakes the loop up.
int Loop::milliseconds_to_wait(Duration wait) {
  for (const LoopTimer* const timer : timers_) {
    wait = std::min(wait, std::max(timer->at_ - std::chrono::steady_clock::now(), Duration{}));
  }
  {
    const std::scoped_lock lock(mutex_);
    if (!posted_.empty()) return 0;
    asleep_ = wait > Duration::zero();
  }
  if (wait == Duration::max()) return -1;
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::min(whole, std::int64_t{std::numeric_limits<int>::max()}));
}

std::size_t Loop::tell_events(int count) {
  std::size_t told = 0;
  count_ = count;
  for (next_ = 0; next_ < count_;) {
    const epoll_event event = batch_[static_cast<std::size_t>(next_++)];
    if (auto* const watched = static_cast<Watched*>(event.data.ptr)) {
      watched->on_events(event.events);
      ++told;
    }
  }
  next_ = count_ = 0;
  return told;
}

std::size_t Loop::run_tasks() {
  {
    const std::scoped_lock lock(mutex_);
    asleep_ = false;
    running_.swap(posted_);
  }
  // One at a time, each gone before the next: what it held may be all that keeps something alive.
  for (std::unique_ptr<Task>& task : running_) {
    task->run();
    task.reset();
  }
  const std::size_t ran = running_.size();
  running_.clear();
  return ran;
}

std::size_t Loop::run_timers() {
  if (timers_.empty()) return 0;
  const MonoTime now = std::chrono::steady_clock::now();
  std::size_t ran = 0;
  // Each call may set and cancel others.
  const auto due = [now](const LoopTimer* timer) { return timer->at_ <= now; };
  for (auto next = std::ranges::find_if(timers_, due); next != timers_.end();
       next = std::ranges::find_if(timers_, due)) {
    const auto then = std::exchange((*next)->then_, nullptr);
    timers_.erase(next);
    then();
    ++ran;
  }
  return ran;
}

bool Loop::add(int descriptor, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  return ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Loop::change(int descriptor, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  ::epoll_ctl(set_.get(), EPOLL_CTL_MOD, descriptor, &event);
}

void Loop::remove(int descriptor, Watched& watched) {
  ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
  for (int i = next_; i < count_; ++i) {
    auto& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watched) event.data.ptr = nullptr;
  }
}

void LoopTimer::set(Duration after, std::function<void()> then) {
  cancel();
  at_ = std::chrono::steady_clock::now() + after;
  then_ = std::move(then);
  loop_.timers_.push_back(this);
}

void LoopTimer::cancel() {
  if (!then_) return;
  then_ = nullptr;
  std::erase(loop_.timers_, this);
}

}  // namespace kscpush::server

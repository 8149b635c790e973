#include "cli/bench/loop.hpp"

#include <algorithm>
#include <array>
#include <csignal>

#include <sys/epoll.h>

namespace kscpush::cli::bench {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(10);
constexpr std::chrono::milliseconds kLongestWait{20};
constexpr int kEventsPerTurn = 128;  // a TLS handshake's turn takes 0.3 ms
constexpr std::uint64_t kTagMask = (std::uint64_t{1} << Loop::kTagBits) - 1;

volatile std::sig_atomic_t interruption = 0;

void interrupt(int /*signal*/) {
  interruption = 1;
}

}  // namespace

void Loop::take_signals() {
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
}

bool Loop::interrupted() {
  return interruption != 0;
}

void Loop::resume() {
  interruption = 0;
}

Loop::Loop(const Clock& clock) : clock_(clock), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Loop::add(LoopHandler& handler) {
  // A free place, so that the numbers of others stay.
  const auto free = std::ranges::find(handlers_, nullptr);
  if (free != handlers_.end()) {
    *free = &handler;
  } else {
    handlers_.push_back(&handler);
  }
}

void Loop::remove(LoopHandler& handler) {
  std::ranges::replace(handlers_, &handler, nullptr);
}

bool Loop::watch(int descriptor, const LoopHandler& handler, std::uint64_t tag) {
  const auto at = std::ranges::find(handlers_, &handler);
  const auto number = static_cast<std::uint64_t>(at - handlers_.begin());
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = number << kTagBits | (tag & kTagMask);
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Loop::turn_once() {
  std::array<epoll_event, kEventsPerTurn> events;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(std::max(Duration::zero(), next_tick_ - now()));
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn,
                                 static_cast<int>(std::min(wait, kLongestWait).count()));
  turn_ = now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    LoopHandler* const handler = handlers_[event.data.u64 >> kTagBits];
    if (handler != nullptr) handler->on_event(event.data.u64 & kTagMask, event.events);
  }
  if (turn_ < next_tick_) return;
  next_tick_ = turn_ + kTick;
  for (std::size_t i = 0; i < handlers_.size(); ++i) {
    if (handlers_[i] != nullptr) handlers_[i]->on_tick(turn_);
  }
}

bool Loop::run(const std::function<bool()>& done, MonoTime until) {
  while (!done()) {
    if (interrupted() || now() >= until) return false;
    turn_once();
  }
  return true;
}

void Loop::run_for(Duration time) {
  run([] { return false; }, now() + time);
}

}  // namespace kscpush::cli::bench

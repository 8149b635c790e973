#include "cli/support/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <thread>

namespace kscpush::cli {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // for the signal's handler

// How many there are: what is watched may watch a part of it, and all of them are meant.
int watching = 0;

}  // namespace

Interrupt::Interrupt() : before_(std::signal(SIGINT, [](int) { interrupted = true; })) {
  if (++watching == 1) interrupted = false;
}

Interrupt::~Interrupt() {
  --watching;
  std::signal(SIGINT, before_);
}

bool Interrupt::pending() const {
  return interrupted;
}

bool Interrupt::any_pending() {
  return watching > 0 && interrupted;
}

bool Interrupt::wait(std::chrono::milliseconds time) const {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!interrupted && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLookEvery);
  }
  return interrupted;
}

}  // namespace kscpush::cli

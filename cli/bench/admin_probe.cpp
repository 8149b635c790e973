#include "cli/bench/admin_probe.hpp"

#include <algorithm>

namespace kscpush::cli::bench {
namespace {

constexpr Duration kInterval = std::chrono::milliseconds(100);

}  // namespace

AdminProbe::AdminProbe(ApiClient api, const Clock& clock)
    : api_(std::move(api)), clock_(clock), thread_([this] { loop(); }) {}

AdminProbe::~AdminProbe() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

float AdminProbe::slowest() {
  const std::scoped_lock lock(mutex_);
  const MonoTime now = clock_.now();
  if (asked_) slowest_ = std::max(slowest_, now - *asked_);
  if (asked_) asked_ = now;  // the rest of it belongs to what comes next
  return std::chrono::duration<float, std::milli>(std::exchange(slowest_, Duration())).count();
}

void AdminProbe::loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    asked_ = clock_.now();
    lock.unlock();
    const auto answer = api_.get("/v1/server");
    lock.lock();
    const bool answered = answer || answer.error().code != ErrorCode::kUnreachable;
    if (answered) slowest_ = std::max(slowest_, clock_.now() - *asked_);
    asked_.reset();
    changed_.wait_for(lock, kInterval, [this] { return stop_; });
  }
}

}  // namespace kscpush::cli::bench

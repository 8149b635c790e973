// Work that may hang in the kernel, such as looking up a name or syncing a dead disk, done without
// waiting for it for ever.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace kscpush::cli {

inline constexpr std::chrono::seconds kCheckDeadline{5};

// Begins WORK on a thread of its own, where it goes on alone when nobody waits any longer: it must
// own all that it uses.
template <class Work>
std::future<std::invoke_result_t<Work>> begin(Work work) {
  auto promise = std::make_shared<std::promise<std::invoke_result_t<Work>>>();
  auto done = promise->get_future();
  std::thread([promise, work = std::move(work)]() mutable { promise->set_value(work()); }).detach();
  return done;
}

// Nothing when it is not done by then.
template <class Value>
std::optional<Value> value_by(std::future<Value> done, std::chrono::steady_clock::time_point end) {
  if (done.wait_until(end) != std::future_status::ready) return std::nullopt;
  return done.get();
}

template <class Work>
std::optional<std::invoke_result_t<Work>> within_deadline(
    Work work, std::chrono::milliseconds deadline = kCheckDeadline) {
  return value_by(begin(std::move(work)), std::chrono::steady_clock::now() + deadline);
}

}  // namespace kscpush::cli

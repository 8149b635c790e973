// How long a test waits for what must come: it has failed then.
#pragma once

#include <chrono>
#include <stdexcept>
#include <thread>

namespace kscpush::test {

// Longer than a busy machine takes, and than a shared disk may hold up an fsync (20 s were seen).
inline constexpr std::chrono::seconds kPatience{90};

// Until CONDITION holds, which another thread or process brings about, or the condition itself.
template <class Condition>
void wait_until(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("waited in vain");
    std::this_thread::yield();
  }
}

}  // namespace kscpush::test

// Asks an admin API how it is, ten times a second, and remembers the slowest answer. On a thread of
// its own, as what keeps the load generator's loop busy must not count.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "cli/support/api_client.hpp"
#include "core/clock.hpp"

namespace kscpush::cli::bench {

class AdminProbe {
 public:
  AdminProbe(ApiClient api, const Clock& clock);
  ~AdminProbe();
  AdminProbe(const AdminProbe&) = delete;
  AdminProbe& operator=(const AdminProbe&) = delete;

  // Milliseconds since it was asked last, an answer that is still missing included. A server that
  // does not listen gives no answer, which is not a slow one.
  [[nodiscard]] float slowest();

 private:
  void loop();

  const ApiClient api_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stop_ = false;
  std::optional<MonoTime> asked_;  // while an answer is missing
  Duration slowest_{};

  std::thread thread_;
};

}  // namespace kscpush::cli::bench

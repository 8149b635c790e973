// Warnings about what anybody who can reach the port may cause: refusals, failed handshakes, broken
// protocol. A crowd of them must fill no disk, so a shard writes kBurst of them in kWindow, counts
// the others and says how many they were when the window is over. At level debug all are written.
//
// One thread: the shard's.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "server/counters.hpp"

namespace kscpush::server {

class BoundedLog {
 public:
  static constexpr int kBurst = 20;  // lines
  static constexpr std::chrono::seconds kWindow{10};

  // LEFT_OUT counts the lines that are not written. All must outlive this.
  BoundedLog(spdlog::logger& log, const Clock& clock, Counter& left_out)
      : log_(log), clock_(clock), left_out_(left_out) {}

  template <class... Args>
  void warn(spdlog::format_string_t<Args...> text, Args&&... args) {
    if (takes()) {
      log_.warn(text, std::forward<Args>(args)...);
    } else {
      log_.debug(text, std::forward<Args>(args)...);
    }
  }
  // Tells what was left out, once its window is over. Cheap: for every tick.
  void tick();

 private:
  [[nodiscard]] bool takes();

  spdlog::logger& log_;
  const Clock& clock_;
  Counter& left_out_;
  MonoTime window_ends_{};
  int written_ = 0;
  std::uint64_t omitted_ = 0;  // in this window
};

}  // namespace kscpush::server

// Warnings about what anybody who can reach the port may cause: refusals, failed handshakes, broken
// protocol. A crowd of them must fill no disk, so a shard writes kBurst of them in kWindow, counts
// the others and says how many they were when the window is over. At level debug all are written.
// Each is one line of at most kLongest bytes, whatever text of a stranger's it quotes.
//
// One thread: the shard's.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "core/words.hpp"
#include "server/counters.hpp"

namespace kscpush::server {

class BoundedLog {
 public:
  static constexpr int kBurst = 20;  // lines
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::size_t kLongest = 1000;  // bytes

  // LEFT_OUT counts the lines that are not written. All must outlive this.
  BoundedLog(spdlog::logger& log, const Clock& clock, Counter& left_out)
      : log_(log), clock_(clock), left_out_(left_out) {}

  template <class... Args>
  void warn(spdlog::format_string_t<Args...> text, Args&&... args) {
    const auto level = takes() ? spdlog::level::warn : spdlog::level::debug;
    if (!log_.should_log(level)) return;
    log_.log(level, one_line(fmt::format(text, std::forward<Args>(args)...), kLongest));
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

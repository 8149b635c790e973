// Asks an admin API how it is, ten times a second, and remembers the slowest answer.
#pragma once

#include "cli/bench/http_client.hpp"

namespace kscpush::cli::bench {

class AdminProbe final : public LoopHandler {
 public:
  AdminProbe(Loop& loop, const Target& api, const Secret& token);
  ~AdminProbe() override;

  // Milliseconds, an answer that is still missing included. Begins anew when asked.
  [[nodiscard]] float slowest();

  void on_event(std::uint64_t tag, std::uint32_t events) override;
  void on_tick(MonoTime now) override;

 private:
  Loop& loop_;
  HttpClient client_;
  MonoTime asked_{};
  bool asking_ = false;
  float slowest_ = 0;
};

}  // namespace kscpush::cli::bench

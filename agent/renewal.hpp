// Renews the device's certificate before it ends: after two thirds of its life and a little more,
// different for each device, and again with growing pauses when that fails. A key of its own for
// each certificate.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <spdlog/logger.h>

#include "agent/backoff.hpp"
#include "agent/enrolment.hpp"
#include "core/clock.hpp"

namespace kscpush::agent {

// When: DUE and up to a twentieth of the certificate's life, by PART of 0 to 1.
[[nodiscard]] WallTime renewal_time(WallTime not_before, WallTime not_after, double part);

// What is to be done at which time, from the times alone.
class RenewalPlan {
 public:
  static constexpr BackoffLimits kPauses{std::chrono::seconds(30), std::chrono::hours(6)};

  enum class Action : std::uint8_t { kWait, kRenew, kTooLate };
  struct Step {
    Action action = Action::kWait;
    std::chrono::milliseconds look_again{};  // unless it is to be renewed
  };

  // PART: as renewal_time() has it. SEED: of the pauses.
  RenewalPlan(double part, std::uint64_t seed) : part_(part), backoff_(kPauses, seed) {}

  [[nodiscard]] Step at(WallTime now, WallTime not_before, WallTime not_after) const;
  // How long to wait after an attempt that failed: longer each time, with full jitter, but never
  // beyond half of what is left of the certificate's life.
  [[nodiscard]] std::chrono::milliseconds failed(WallTime now, WallTime not_after);
  void succeeded() { backoff_.reset(); }

 private:
  const double part_;
  Backoff backoff_;
};

class Renewal {
 public:
  // SERVERS, on the loop: where to ask, in this order. RENEWED is called there when new files are
  // in place; the connection that is there may stay. CLOCK and LOG outlive it.
  using Servers = std::function<std::vector<Endpoint>()>;
  using Renewed = std::function<void()>;
  Renewal(asio::io_context& loop, Servers servers, CredentialFiles files, const Clock& clock,
          spdlog::logger& log, Renewed renewed);
  ~Renewal();

  // On the loop.
  void start();
  void stop();

 private:
  void look_later(std::chrono::milliseconds wait);
  void look();
  void begin(WallTime not_after);
  void ended(const Result<Enrolled>& enrolled, WallTime not_after);

  asio::io_context& loop_;
  const Servers servers_;
  const CredentialFiles files_;
  const Clock& clock_;
  spdlog::logger& log_;
  const Renewed renewed_;
  asio::steady_timer timer_;
  RenewalPlan plan_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // changed on the loop
  std::jthread worker_;                                               // waits for the server
};

}  // namespace kscpush::agent

// Two streams as one, in both directions: half-close is kept, and what one side does not take stops
// the reading of the other. One thread: the loop's; it keeps itself alive until it has ended.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <asio/steady_timer.hpp>

#include "agent/tunnels/stream.hpp"
#include "core/flow.hpp"

namespace kscpush::agent {

struct RelayEnd {
  bool orderly = false;         // both sides have closed
  std::string reason{};         // if not
  std::uint64_t from_near = 0;  // bytes
  std::uint64_t to_near = 0;
};

struct RelayLimits {
  std::chrono::seconds idle{};      // without a byte; 0: no limit
  std::chrono::seconds lifetime{};  // in all; likewise
};

class Relay : public std::enable_shared_from_this<Relay> {
 public:
  // Called once, when both streams have gone.
  using Ended = std::function<void(const RelayEnd& end)>;
  // NEAR: this side's own; FAR: to the push server.
  Relay(asio::io_context& loop, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far,
        RelayLimits limits, Ended ended);
  void start();
  // Both peers see a broken connection.
  void end(const std::string& reason);
  // The far side sees the end of the stream, and that nobody reads it any more.
  void leave();
  [[nodiscard]] std::uint64_t from_near() const { return out_.bytes(); }
  [[nodiscard]] std::uint64_t to_near() const { return in_.bytes(); }

 private:
  void run_out();
  void run_in();
  void go_on(Flow::Next next, bool outward);
  void keep_time();
  void finish(bool orderly, const std::string& reason);

  asio::io_context& loop_;
  asio::steady_timer timer_;
  std::unique_ptr<Stream> near_;
  std::unique_ptr<Stream> far_;
  const RelayLimits limits_;
  Ended ended_;
  Flow out_;  // to the server
  Flow in_;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point moved_;
  bool over_ = false;
};

}  // namespace kscpush::agent

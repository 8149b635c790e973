// Two streams as one: core/two_way.hpp, on streams of the agent's. One thread: the loop's; it keeps
// itself alive until it has ended.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <asio/steady_timer.hpp>

#include "agent/tunnels/stream.hpp"
#include "core/two_way.hpp"

namespace kscpush::agent {

struct RelayEnd {
  bool orderly = false;  // both sides have closed
  std::string reason{};
  std::uint64_t from_near = 0;  // bytes
  std::uint64_t to_near = 0;
};

class Relay : public std::enable_shared_from_this<Relay> {
 public:
  // Called once, when both streams have gone.
  using Ended = std::function<void(const RelayEnd& end)>;
  // NEAR: this side's own; FAR: to the push server.
  Relay(asio::io_context& loop, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far,
        const TwoWayLimits& limits, Ended ended);
  void start();
  // Both peers see a broken connection.
  void end(const std::string& reason);
  // The far side sees the end of the stream, and that nobody reads it any more.
  void leave();
  [[nodiscard]] std::uint64_t from_near() const { return stream_.from_near(); }
  [[nodiscard]] std::uint64_t to_near() const { return stream_.from_far(); }

 private:
  void run(TwoWay::Way way);
  void keep_time();
  void close();
  void finish();

  asio::io_context& loop_;
  asio::steady_timer timer_;
  std::unique_ptr<Stream> near_;
  std::unique_ptr<Stream> far_;
  TwoWay stream_;
  Ended ended_;
};

}  // namespace kscpush::agent

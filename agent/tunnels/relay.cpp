#include "agent/tunnels/relay.hpp"

#include <limits>
#include <utility>
#include <vector>

#include <asio/post.hpp>

namespace kscpush::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kScratchBytes = 64UL * 1024;
// Bytes of one wake-up, so that a busy stream does not hold up the others.
constexpr std::size_t kBudget = 512UL * 1024;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

std::span<char> scratch() {
  thread_local std::vector<char> bytes(kScratchBytes);
  return bytes;
}

}  // namespace

Relay::Relay(asio::io_context& loop, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far,
             RelayLimits limits, Ended ended)
    : loop_(loop),
      timer_(loop),
      near_(std::move(near)),
      far_(std::move(far)),
      limits_(limits),
      ended_(std::move(ended)),
      begun_(Clock::now()),
      moved_(begun_) {}

void Relay::start() {
  keep_time();
  asio::post(loop_, [self = shared_from_this()] { self->run_out(); });
  asio::post(loop_, [self = shared_from_this()] { self->run_in(); });
}

void Relay::run_out() {
  if (over_ || out_.done()) return;
  const std::uint64_t before = out_.bytes();
  const auto next = out_.run(*near_, *far_, scratch(), kBudget, kNoLimit);
  if (out_.bytes() != before) moved_ = Clock::now();
  go_on(next, true);
}

void Relay::run_in() {
  if (over_ || in_.done()) return;
  const std::uint64_t before = in_.bytes();
  const auto next = in_.run(*far_, *near_, scratch(), kBudget, kNoLimit);
  if (in_.bytes() != before) moved_ = Clock::now();
  go_on(next, false);
}

void Relay::go_on(Flow::Next next, bool outward) {
  Stream& source = outward ? *near_ : *far_;
  Stream& sink = outward ? *far_ : *near_;
  auto again = [self = shared_from_this(), outward] {
    if (outward) {
      self->run_out();
    } else {
      self->run_in();
    }
  };
  switch (next) {
    case Flow::Next::kReadSource:
      return source.wait_readable(std::move(again));
    case Flow::Next::kWriteSource:
      return source.wait_writable(std::move(again));
    case Flow::Next::kReadSink:
      return sink.wait_readable(std::move(again));
    case Flow::Next::kWriteSink:
      return sink.wait_writable(std::move(again));
    case Flow::Next::kAgain:
      return asio::post(loop_, std::move(again));
    case Flow::Next::kDone:
      if (in_.done() && out_.done()) finish(true, "");
      return;
    case Flow::Next::kSourceLost:
      return end(source.last_error());
    case Flow::Next::kSinkLost:
      return end(sink.last_error());
    case Flow::Next::kCapped:
      return;  // there is no limit
  }
}

void Relay::end(const std::string& reason) {
  if (over_) return;
  near_->break_off();
  far_->break_off();
  finish(false, reason);
}

void Relay::leave() {
  if (over_) return;
  if (!out_.done()) static_cast<void>(far_->shutdown_write());
  near_->break_off();
  finish(false, "left");
}

void Relay::finish(bool orderly, const std::string& reason) {
  over_ = true;
  timer_.cancel();
  near_.reset();
  far_.reset();
  std::exchange(ended_, nullptr)({orderly, reason, out_.bytes(), in_.bytes()});
}

void Relay::keep_time() {
  auto next = Clock::time_point::max();
  if (limits_.lifetime.count() > 0) next = begun_ + limits_.lifetime;
  if (limits_.idle.count() > 0) next = std::min(next, moved_ + limits_.idle);
  if (next == Clock::time_point::max()) return;
  timer_.expires_at(next);
  timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->over_) return;
    const auto now = Clock::now();
    if (self->limits_.lifetime.count() > 0 && now >= self->begun_ + self->limits_.lifetime) {
      return self->end("its lifetime is over");
    }
    if (self->limits_.idle.count() > 0 && now >= self->moved_ + self->limits_.idle) {
      return self->end("no byte has passed for its idle time");
    }
    self->keep_time();
  });
}

}  // namespace kscpush::agent

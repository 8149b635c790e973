#include "agent/tunnels/relay.hpp"

#include <utility>
#include <vector>

#include <asio/post.hpp>

namespace kscpush::agent {
namespace {

constexpr std::size_t kScratchBytes = 64UL * 1024;

std::span<char> scratch() {
  thread_local std::vector<char> bytes(kScratchBytes);
  return bytes;
}

}  // namespace

Relay::Relay(asio::io_context& loop, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far,
             const TwoWayLimits& limits, Ended ended)
    : loop_(loop),
      timer_(loop),
      near_(std::move(near)),
      far_(std::move(far)),
      stream_(limits, std::chrono::steady_clock::now(), {"this side"}, {"the push server's side"}),
      ended_(std::move(ended)) {}

void Relay::start() {
  keep_time();
  for (const auto way : {TwoWay::Way::kOut, TwoWay::Way::kIn}) {
    asio::post(loop_, [self = shared_from_this(), way] { self->run(way); });
  }
}

void Relay::run(TwoWay::Way way) {
  if (stream_.end()) return;
  const auto next = stream_.run(way, *near_, *far_, scratch(), std::chrono::steady_clock::now());
  Stream& waits = next.near ? *near_ : *far_;
  auto again = [self = shared_from_this(), way] { self->run(way); };
  switch (next.what) {
    case TwoWay::Do::kWaitReadable:
      return waits.wait_readable(std::move(again));
    case TwoWay::Do::kWaitWritable:
      return waits.wait_writable(std::move(again));
    case TwoWay::Do::kAgain:
      return asio::post(loop_, std::move(again));
    case TwoWay::Do::kNothing:
      return;
    case TwoWay::Do::kOver:
      return close();
  }
}

void Relay::end(const std::string& reason) {
  if (stream_.end(reason)) close();
}

void Relay::leave() {
  if (!stream_.end("left")) return;
  if (!stream_.near_has_closed()) static_cast<void>(far_->shutdown_write());
  near_->break_off();
  finish();
}

void Relay::close() {
  if (!stream_.end()->orderly) {
    near_->break_off();
    far_->break_off();
  }
  finish();
}

void Relay::finish() {
  timer_.cancel();
  near_.reset();
  far_.reset();
  const TwoWay::End& end = *stream_.end();
  std::exchange(ended_, nullptr)({end.orderly, end.reason, from_near(), to_near()});
}

void Relay::keep_time() {
  if (stream_.deadline() == MonoTime::max()) return;
  timer_.expires_at(stream_.deadline());
  timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stream_.end()) return;
    if (self->stream_.expired(std::chrono::steady_clock::now())) return self->close();
    self->keep_time();
  });
}

}  // namespace kscpush::agent

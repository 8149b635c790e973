#include "server/tunnel/splice.hpp"

#include <asio/post.hpp>

namespace kscpush::server {
namespace {

// Bytes of one wake-up, so that a busy tunnel does not hold up the others.
constexpr std::size_t kBudget = 512UL * 1024;

}  // namespace

Splice::Splice(SideServer& side, SideServer::Taken caller, SideServer::Taken device,
               const SpliceLimits& limits, Ended ended)
    : side_(side),
      limits_(limits),
      caller_(*this, std::move(caller.link), "the operator's side"),
      device_(*this, std::move(device.link), "the device's side"),
      to_device_(std::move(caller.rest)),
      from_device_(std::move(device.rest)),
      ended_(std::move(ended)),
      ends_(side.now() + limits.lifetime),
      moved_(side.now()) {}

void Splice::start() {
  caller_.link->set_owner(&caller_);
  device_.link->set_owner(&device_);
  keep_time();
  // What TLS holds already the poller knows nothing of.
  run_later(to_device_, caller_, device_);
  run_later(from_device_, device_, caller_);
}

void Splice::ready(Side& side, bool readable) {
  const auto held = shared_from_this();  // it may end
  const bool both = std::exchange(source_writes_, false) || std::exchange(sink_reads_, false);
  const bool from_caller = &side == &caller_;
  if (both || readable == from_caller) run(to_device_, caller_, device_);
  if (both || readable != from_caller) run(from_device_, device_, caller_);
}

void Splice::run_later(Flow& flow, Side& source, Side& sink) {
  asio::post(side_.loop(),
             [held = shared_from_this(), &flow, &source, &sink] { held->run(flow, source, sink); });
}

void Splice::run(Flow& flow, Side& source, Side& sink) {
  if (over_ || flow.done()) return;
  const std::uint64_t before = flow.bytes();
  const std::uint64_t passed = to_device() + from_device();
  const auto next = flow.run(*source.link, *sink.link, side_.scratch(), kBudget,
                             limits_.most_bytes - std::min(limits_.most_bytes, passed));
  if (flow.bytes() != before) moved_ = side_.now();
  switch (next) {
    case Flow::Next::kReadSource:
      return source.link->wait_readable();
    case Flow::Next::kWriteSink:
      return sink.link->wait_writable();
    case Flow::Next::kWriteSource:
      source_writes_ = true;
      return source.link->wait_writable();
    case Flow::Next::kReadSink:
      sink_reads_ = true;
      return sink.link->wait_readable();
    case Flow::Next::kAgain:
      return run_later(flow, source, sink);
    case Flow::Next::kDone:
      if (!to_device_.done() || !from_device_.done()) return;
      over_ = true;  // in good order: each side has been told
      clear();
      caller_.link.reset();
      device_.link.reset();
      return ended_("both sides have closed");
    case Flow::Next::kSourceLost:
      return lost(source);
    case Flow::Next::kSinkLost:
      return lost(sink);
    case Flow::Next::kCapped:
      return end(fmt::format("it has carried its {} bytes", limits_.most_bytes));
  }
}

void Splice::lost(const Side& side) {
  const std::string why = side.link->last_error();
  end(fmt::format("{} was lost{}{}", side.name, why.empty() ? "" : ": ", why));
}

void Splice::end(const std::string& reason) {
  if (std::exchange(over_, true)) return;
  const auto held = shared_from_this();
  clear();
  for (Side* const side : {&caller_, &device_}) {
    side->link->break_off();
    side->link.reset();
  }
  ended_(reason);
}

void Splice::keep_time() {
  side_.wheel().set(*this, std::min(ends_, moved_ + limits_.idle));
}

void Splice::on_timer(MonoTime now) {
  if (now >= ends_) return end("its lifetime is over");
  if (now - moved_ >= limits_.idle) return end("no byte has passed for its idle time");
  keep_time();
}

}  // namespace kscpush::server

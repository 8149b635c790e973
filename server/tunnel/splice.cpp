#include "server/tunnel/splice.hpp"

namespace kscpush::server {

using Way = TwoWay::Way;

Splice::Splice(SideServer& side, SideServer::Taken caller, SideServer::Taken device,
               const TwoWayLimits& limits, Ended ended)
    : side_(side),
      stream_(limits, side.now(), {"the operator's side", std::move(caller.rest)},
              {"the device's side", std::move(device.rest)}),
      caller_(*this, std::move(caller.link)),
      device_(*this, std::move(device.link)),
      ended_(std::move(ended)) {}

void Splice::start() {
  caller_.link->set_owner(&caller_);
  device_.link->set_owner(&device_);
  keep_time();
  // What TLS holds already the loop knows nothing of.
  run_later(Way::kOut);
  run_later(Way::kIn);
}

void Splice::ready(const Side& side, bool readable) {
  const auto held = shared_from_this();  // it may end
  const bool both = std::exchange(unusual_, false);
  const bool from_caller = &side == &caller_;
  if (both || readable == from_caller) run(Way::kOut);
  if (both || readable != from_caller) run(Way::kIn);
}

void Splice::run_later(Way way) {
  side_.loop().post([held = shared_from_this(), way] { held->run(way); });
}

void Splice::run(Way way) {
  if (stream_.end()) return;
  const auto next = stream_.run(way, *caller_.link, *device_.link, side_.scratch(), side_.now());
  Link& waits = next.near ? *caller_.link : *device_.link;
  if (!next.usual) unusual_ = true;
  switch (next.what) {
    case TwoWay::Do::kWaitReadable:
      return waits.wait_readable();
    case TwoWay::Do::kWaitWritable:
      return waits.wait_writable();
    case TwoWay::Do::kAgain:
      return run_later(way);
    case TwoWay::Do::kNothing:
      return;
    case TwoWay::Do::kOver:
      return close();
  }
}

void Splice::end(const std::string& reason) {
  if (stream_.end(reason)) close();
}

// In good order each side has been told; else both see a broken connection.
void Splice::close() {
  const auto held = shared_from_this();
  clear();
  for (Side* const side : {&caller_, &device_}) {
    if (!stream_.end()->orderly) side->link->break_off();
    side->link.reset();
  }
  ended_(stream_.end()->reason);
}

void Splice::keep_time() {
  if (stream_.deadline() != MonoTime::max()) side_.wheel().set(*this, stream_.deadline());
}

void Splice::on_timer(MonoTime now) {
  if (stream_.expired(now)) return close();
  keep_time();
}

}  // namespace kscpush::server

#include "core/two_way.hpp"

#include <fmt/format.h>

namespace kscpush {

TwoWay::TwoWay(const TwoWayLimits& limits, MonoTime now, Side near, Side far)
    : limits_(limits),
      near_name_(std::move(near.name)),
      far_name_(std::move(far.name)),
      out_(std::move(near.first)),
      in_(std::move(far.first)),
      begun_(now),
      moved_(now) {}

std::uint64_t TwoWay::may_pass() const {
  return limits_.most_bytes - std::min(limits_.most_bytes, from_near() + from_far());
}

TwoWay::Next TwoWay::close_if_done() {
  if (!out_.done() || !in_.done()) return {Do::kNothing};
  end_ = End{true, "both sides have closed"};
  return {Do::kOver};
}

TwoWay::Next TwoWay::lost(bool near, std::string_view why) {
  end(fmt::format("{} was lost{}{}", near ? near_name_ : far_name_, why.empty() ? "" : ": ", why));
  return {Do::kOver};
}

TwoWay::Next TwoWay::capped() {
  end(fmt::format("it has carried its {} bytes", limits_.most_bytes));
  return {Do::kOver};
}

MonoTime TwoWay::deadline() const {
  MonoTime next = MonoTime::max();
  if (limits_.lifetime > Duration{}) next = begun_ + limits_.lifetime;
  if (limits_.idle > Duration{}) next = std::min(next, moved_ + limits_.idle);
  return next;
}

bool TwoWay::expired(MonoTime now) {
  if (limits_.lifetime > Duration{} && now - begun_ >= limits_.lifetime) {
    return end("its lifetime is over");
  }
  if (limits_.idle > Duration{} && now - moved_ >= limits_.idle) {
    return end("no byte has passed for its idle time");
  }
  return false;
}

bool TwoWay::end(std::string reason) {
  if (end_) return false;
  end_ = End{false, std::move(reason)};
  return true;
}

}  // namespace kscpush

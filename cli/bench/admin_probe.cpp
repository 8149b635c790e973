#include "cli/bench/admin_probe.hpp"

#include <algorithm>

namespace kscpush::cli::bench {
namespace {

constexpr Duration kInterval = std::chrono::milliseconds(100);

float milliseconds(Duration time) {
  return std::chrono::duration<float, std::milli>(time).count();
}

}  // namespace

AdminProbe::AdminProbe(Loop& loop, const Target& api, const Secret& token)
    : loop_(loop), client_(loop, api, token, 1, [this](std::uint64_t, int status, const auto&) {
        if (status != 0) slowest_ = std::max(slowest_, milliseconds(loop_.turn() - asked_));
        asking_ = false;
      }) {
  loop_.add(*this);
}

AdminProbe::~AdminProbe() {
  loop_.remove(*this);
}

float AdminProbe::slowest() {
  if (asking_) slowest_ = std::max(slowest_, milliseconds(loop_.now() - asked_));
  return std::exchange(slowest_, 0.0F);
}

void AdminProbe::on_event(std::uint64_t /*tag*/, std::uint32_t /*events*/) {}

void AdminProbe::on_tick(MonoTime now) {
  if (asking_ || now - asked_ < kInterval) return;
  asking_ = true;
  asked_ = now;
  client_.request("GET", "/v1/server", "", 0);
}

}  // namespace kscpush::cli::bench

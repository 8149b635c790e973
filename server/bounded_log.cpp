#include "server/bounded_log.hpp"

namespace kscpush::server {

bool BoundedLog::takes() {
  tick();
  if (written_ == 0) window_ends_ = clock_.now() + kWindow;
  if (written_ < kBurst) {
    ++written_;
    return true;
  }
  ++omitted_;
  left_out_.add();
  return false;
}

void BoundedLog::tick() {
  if (written_ == 0 || clock_.now() < window_ends_) return;
  written_ = 0;
  if (const auto omitted = std::exchange(omitted_, 0); omitted > 0) {
    log_.warn("{} more warnings like these within {} s are left out ('--log-level debug' has all)",
              omitted, kWindow.count());
  }
}

}  // namespace kscpush::server

// The end of a connection in good order. Our side is shut down when the last words are out, and the
// peer has a while to take them: to close at once, with something unread, could reset the
// connection under them. What it still sends is read for that alone, and within bounds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace kscpush::server {

inline constexpr std::chrono::seconds kLinger{2};
inline constexpr std::size_t kMostLingering = 64UL * 1024;  // bytes

// What has come since the end.
class PassedOver {
 public:
  // False: it is enough; close.
  [[nodiscard]] bool take(std::size_t bytes) {
    bytes_ += static_cast<std::uint32_t>(bytes);
    return bytes_ <= kMostLingering;
  }

 private:
  std::uint32_t bytes_ = 0;  // at most the bound and one read
};

}  // namespace kscpush::server

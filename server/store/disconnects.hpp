// The last ends of a device's connections, as a column of its row holds them: entries of equal
// size, the newest first. No memory is kept for a device that is connected.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/mqtt/session.hpp"

namespace kscpush::server {

struct Disconnect {
  WallTime at{};
  mqtt::EndReason reason{};
  bool operator==(const Disconnect&) const = default;
};

inline constexpr std::size_t kKeptDisconnects = 10;  // of a device
inline constexpr std::size_t kDisconnectBytes = 15;  // of an entry

[[nodiscard]] std::string encode(const Disconnect& end);
// What is no entry is left out.
[[nodiscard]] std::vector<Disconnect> decode_disconnects(std::string_view text);

}  // namespace kscpush::server

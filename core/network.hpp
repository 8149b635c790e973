// IP addresses and networks as values: what conditions, network locations and scopes compare.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kscpush {

// 128 bits: IPv4 as IPv4-mapped IPv6, so that one comparison serves both.
using IpAddress = std::array<std::uint8_t, 16>;

// Nothing for what is neither; no port, no brackets, no zone.
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);

// "10.0.0.0/8", "2001:db8::/32"; an address alone is the network that holds only it. Bits behind
// the prefix may be set and mean nothing: 10.1.2.3/8 is 10.0.0.0/8.
class IpNetwork {
 public:
  IpNetwork() = default;  // holds the unspecified address :: alone
  [[nodiscard]] static std::optional<IpNetwork> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;

 private:
  IpAddress base_{};
  int prefix_ = 128;
};

}  // namespace kscpush

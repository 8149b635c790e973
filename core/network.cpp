#include "core/network.hpp"

#include <algorithm>
#include <string>

#include <arpa/inet.h>

#include "core/numbers.hpp"

namespace kscpush {
namespace {

constexpr int kAddressBits = 128;
constexpr int kMappedPrefix = 96;  // ::ffff:0:0/96 holds the IPv4 addresses

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  IpAddress address{};
  if (::inet_pton(AF_INET6, copy.c_str(), address.data()) == 1) return address;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (::inet_pton(AF_INET, copy.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view base = text.substr(0, slash);
  const auto address = parse_ip(base);
  if (!address) return std::nullopt;
  const bool v4 = base.find(':') == std::string_view::npos;
  const int longest = v4 ? kAddressBits - kMappedPrefix : kAddressBits;
  int prefix = longest;
  if (slash != std::string_view::npos) {
    const auto number = to_number<int>(text.substr(slash + 1));
    if (!number || *number < 0 || *number > longest) return std::nullopt;
    prefix = *number;
  }
  IpNetwork network;
  network.base_ = *address;
  network.prefix_ = v4 ? prefix + kMappedPrefix : prefix;
  return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
  for (int bit = 0; bit < prefix_; bit += 8) {
    const auto i = static_cast<std::size_t>(bit / 8);
    const int left = std::min(8, prefix_ - bit);
    const auto mask = static_cast<std::uint8_t>(0xFF << (8 - left));
    if ((address[i] & mask) != (base_[i] & mask)) return false;
  }
  return true;
}

}  // namespace kscpush

// Where a push server is.
#pragma once

#include <string>
#include <string_view>

#include "core/ids.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

struct Endpoint {
  std::string host;
  Port port;
  bool operator==(const Endpoint&) const = default;
};
// "HOST", "HOST:PORT", "[V6]:PORT"; without a port the push server's usual one, 13295.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

}  // namespace kscpush::agent

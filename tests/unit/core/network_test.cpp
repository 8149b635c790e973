#include "core/network.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("network: an address alone holds itself, a prefix all that begins so") {
  const auto holds = [](std::string_view network, std::string_view address) {
    return IpNetwork::parse(network)->contains(*parse_ip(address));
  };
  CHECK(holds("10.1.2.3", "10.1.2.3"));
  CHECK_FALSE(holds("10.1.2.3", "10.1.2.4"));
  CHECK(holds("10.1.2.3/8", "10.200.0.1"));
  CHECK_FALSE(holds("10.0.0.0/9", "10.200.0.1"));
  CHECK(holds("0.0.0.0/0", "192.0.2.1"));
  CHECK_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  CHECK(holds("::/0", "2001:db8::1"));
  CHECK(holds("2001:db8::/32", "2001:DB8:0::17"));
}

TEST_CASE("network: what is none") {
  for (const char* text : {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
                           "::/129", "/8", "10.0.0.0/8/8", "dp.example.com", " 10.0.0.1"}) {
    CAPTURE(text);
    CHECK_FALSE(IpNetwork::parse(text).has_value());
  }
}

}  // namespace kscpush

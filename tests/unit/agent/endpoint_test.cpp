#include "agent/endpoint.hpp"

#include <string>
#include <utility>

#include <doctest/doctest.h>

namespace kscpush::agent {

TEST_CASE("endpoint: a host with or without a port") {
  const std::pair<const char*, const char*> cases[] = {
      {"dp-1.example.com", "dp-1.example.com:13295"},
      {"dp-1.example.com:443", "dp-1.example.com:443"},
      {"192.0.2.1", "192.0.2.1:13295"},
      {"192.0.2.1:1", "192.0.2.1:1"},
      {"localhost:65535", "localhost:65535"},
      {"[2001:db8::1]:443", "2001:db8::1:443"},
      {"[2001:db8::1]", "2001:db8::1:13295"},
      {"2001:db8::1", "2001:db8::1:13295"},
      {"::1", "::1:13295"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.first);
    const auto& [text, expected] = each;
    const auto endpoint = parse_endpoint(text);
    REQUIRE(endpoint.has_value());
    CHECK(endpoint->host + ":" + std::to_string(endpoint->port.value()) == expected);
  }
}

TEST_CASE("endpoint: shown as it can be read again") {
  for (const char* text : {"dp-1.example.com:443", "192.0.2.1:1", "[2001:db8::1]:443"}) {
    CHECK(to_string(parse_endpoint(text).value()) == text);
  }
}

TEST_CASE("endpoint: what is none is an error of usage") {
  for (const char* text : {"", ":", ":443", "host:", "host:0", "host:65536", "host:abc", "[]:443",
                           "[]", "[::1", "[::1]443", "[::1]:", "::1]:443", "host name:1"}) {
    CAPTURE(text);
    const auto endpoint = parse_endpoint(text);
    REQUIRE_FALSE(endpoint.has_value());
    CHECK(endpoint.error().code == ErrorCode::kUsage);
  }
}

}  // namespace kscpush::agent

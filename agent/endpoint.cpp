#include "agent/endpoint.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

namespace kscpush::agent {
namespace {

constexpr Port kUsualPort = Port::of<13295>();

bool in_host_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
}

bool in_v6_address(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.' || c == '%';
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  // An IPv6 address has colons of its own: before a port it stands in brackets.
  const bool bracketed = text.starts_with('[');
  const bool v6 = bracketed || std::ranges::count(text, ':') > 1;
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (bracketed) {
    const std::size_t end = text.find(']');
    const std::string_view after = text.substr(std::min(text.size(), end + 1));
    const bool closed = end != std::string_view::npos && (after.empty() || after[0] == ':');
    host = closed ? text.substr(1, end - 1) : std::string_view();
    if (!after.empty()) port = after.substr(1);
  } else if (const std::size_t colon = text.find(':'); !v6 && colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.empty() || !std::ranges::all_of(host, v6 ? in_v6_address : in_host_name)) {
    return fail({ErrorCode::kUsage, fmt::format("'{}' is not a server", text),
                 "give HOST:PORT, for example dp-berlin-1.example.com:13295"});
  }
  const auto parsed = port ? Port::parse(*port) : kUsualPort;
  if (!parsed) return fail(parsed.error());
  return Endpoint{std::string(host), *parsed};
}

std::string to_string(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", endpoint.host, v6 ? "]" : "",
                     endpoint.port.value());
}

}  // namespace kscpush::agent

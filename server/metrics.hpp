// What an operator watches, in Prometheus' text format.
#pragma once

#include <string>

#include "server/push_server.hpp"

namespace kscpush::server {

// What the admin API counts.
struct AdminFigures {
  std::size_t listeners = 0;
  std::uint64_t overflows = 0;
  std::uint64_t rate_limited = 0;
  std::size_t request_bytes = 0;
  std::uint64_t requests_dropped = 0;
};

// Gathered at the moment of the call from the shards' counters. Thread safe.
[[nodiscard]] std::string render_metrics(const PushServer& server, const AdminFigures& admin = {});

}  // namespace kscpush::server

// What an operator watches, in Prometheus' text format.
#pragma once

#include <string>

#include "server/push_server.hpp"

namespace kscpush::server {

// Gathered at the moment of the call from the shards' counters. Thread safe.
[[nodiscard]] std::string render_metrics(const PushServer& server);

}  // namespace kscpush::server

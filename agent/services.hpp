// What the modules of the agent are given. All of it outlives what they make.
#pragma once

#include <functional>
#include <vector>

#include <asio/io_context.hpp>
#include <spdlog/logger.h>

#include "agent/config.hpp"
#include "agent/state_directory.hpp"
#include "agent/status.hpp"
#include "agent/uplink.hpp"
#include "core/clock.hpp"

namespace kscpush::agent {

struct Services {
  asio::io_context& loop;
  const Clock& clock;
  spdlog::logger& log;
  const AgentConfig& config;
  const StateDirectory& state;
  Uplink& uplink;
  StatusBoard& status;
  // Called on the loop: each time that the server can be spoken to; and once, when the agent stops,
  // after which nothing may keep the loop busy for longer than two seconds.
  std::vector<std::function<void()>> on_connected{};
  std::vector<std::function<void()>> on_stop{};
};

}  // namespace kscpush::agent

// Whether the device holds its connection, and to which server: what its policy decides.
#pragma once

#include <chrono>
#include <vector>

#include "agent/endpoint.hpp"

namespace kscpush::agent {

class Presence {
 public:
  virtual ~Presence() = default;
  // Best first, for the attempts from now on. Those that the agent was started with come behind: a
  // list that leads nowhere must not cut it off.
  virtual void use_servers(const std::vector<Endpoint>& servers) = 0;
  // Leaves when the server has acknowledged what is queued for it, or soon, and comes back AWAY
  // later.
  virtual void leave_for(std::chrono::milliseconds away) = 0;
  // Holds the connection: takes back a leave that has not happened.
  virtual void stay() = 0;
};

}  // namespace kscpush::agent

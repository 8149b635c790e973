// The one list of what the agent can do.
#pragma once

#include "agent/handlers.hpp"
#include "agent/services.hpp"

namespace kscpush::agent {

void add_modules(PushHandlers& handlers, Services& services);

// One each; where it is made says what it does.
void add_ping(PushHandlers& handlers, Services& services);
void add_stats(PushHandlers& handlers, Services& services);
void add_tasks(PushHandlers& handlers, Services& services);
void add_tunnels(PushHandlers& handlers, Services& services);

}  // namespace kscpush::agent

#include "agent/modules.hpp"

#include "core/version.hpp"

namespace kscpush::agent {

void add_ping(PushHandlers& handlers, Services& /*services*/) {
  handlers.add(
      "ping",
      [](const PushMessage&, const Answer& answer) {
        finish(answer, nlohmann::json{{"agent", kVersion}});
      },
      Repeated::kRunsAgain);
}

void add_modules(PushHandlers& handlers, Services& services) {
  add_ping(handlers, services);
  add_stats(handlers, services);
  add_tasks(handlers, services);
  add_tunnels(handlers, services);
}

}  // namespace kscpush::agent

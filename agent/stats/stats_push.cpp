// stats: the machine, and the applications that have declared collectors.
#include "agent/modules.hpp"
#include "agent/stats/collectors.hpp"
#include "agent/stats/host.hpp"
#include "core/version.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

// Each starts all collectors: what asks faster than they answer must not pile them up.
constexpr int kMostAtOnce = 2;

}  // namespace

void add_stats(PushHandlers& handlers, Services& services) {
  const auto running = std::make_shared<int>(0);
  const MonoTime begun = services.clock.now();
  handlers.add(
      "stats",
      [&services, running, begun](const PushMessage&, const Answer& answer) {
        if (*running >= kMostAtOnce) {
          return finish(answer,
                        fail({ErrorCode::kOverloaded,
                              fmt::format("statistics are collected {} times already", *running),
                              "ask again in some seconds"}));
        }
        ++*running;
        collect(services, [&services, running, begun, answer](json applications) {
          --*running;
          const auto uptime = std::chrono::duration<double>(services.clock.now() - begun);
          finish(answer, json{{"at", to_rfc3339(services.clock.wall())},
                              {"agent", {{"version", kVersion}, {"uptime_s", uptime.count()}}},
                              {"host", host_statistics()},
                              {"applications", std::move(applications)}});
        });
      },
      Repeated::kRunsAgain);
}

}  // namespace kscpush::agent

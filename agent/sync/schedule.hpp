// What the agent itself does of the settings in force on it.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "policy/schema.hpp"

namespace kscpush::agent {

// By path, as policy/merge.hpp gives them.
using Settings = std::map<std::string, std::string>;

struct SyncSchedule {
  bool stay = false;  // the option "use distribution point to force connection"
  std::chrono::minutes interval{15};
  // When it may connect, in the device's own time; empty: at any time. Who stays is there always.
  std::vector<policy::Period> periods{};
};

// Every setting that the product knows must be a value of it; what is missing has its default. The
// error names the setting.
[[nodiscard]] Result<SyncSchedule> read_schedule(const Settings& settings);

// How long a device may not connect from TIME_OF_DAY on; 0: it may. A period opens for it SPREAD
// late, but at half time at the latest: those that it has kept waiting must not come all at once.
[[nodiscard]] std::chrono::milliseconds closed_for(const SyncSchedule& schedule,
                                                   std::chrono::milliseconds time_of_day,
                                                   std::chrono::milliseconds spread);
// Since midnight, as the clocks of this device show it.
[[nodiscard]] std::chrono::milliseconds local_time_of_day(WallTime now);

}  // namespace kscpush::agent

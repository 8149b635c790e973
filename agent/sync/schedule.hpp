// What the agent itself does of the settings in force on it.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "core/result.hpp"

namespace kscpush::agent {

// By path, as policy/merge.hpp gives them.
using Settings = std::map<std::string, std::string>;

struct SyncSchedule {
  bool stay = false;  // the option "use distribution point to force connection"
  std::chrono::minutes interval{15};
};

// Every setting that the product knows must be a value of it; what is missing has its default. The
// error names the setting.
[[nodiscard]] Result<SyncSchedule> read_schedule(const Settings& settings);

}  // namespace kscpush::agent

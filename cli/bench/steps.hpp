// What a load test does after it has connected, as words: "hold=30", "sweep", "storm".
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace kscpush::cli::bench {

struct Step {
  enum class Kind : std::uint8_t {
    kHold,    // keep the connections, for so long
    kSweep,   // a push to each device
    kStorm,   // reset all connections, and all come back at once
    kOutage,  // wait until the server cuts all (it is stopped), and until all are back
    kWait,    // go on at the next line of standard input
  };
  Kind kind = Kind::kHold;
  std::chrono::duration<double> time{};  // hold
  int count = 1;                         // sweep, storm: so many in a row
};

// In their order; bounded. kUsage for words that are none.
[[nodiscard]] Result<std::vector<Step>> parse_steps(const std::vector<std::string>& words);
[[nodiscard]] std::string_view to_string(Step::Kind kind);

}  // namespace kscpush::cli::bench

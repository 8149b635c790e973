// One simulated run of the whole server, decided by a seed: devices, operators, faults, and then
// calm, in which everything must settle. See README.md in this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kscpush::simulation {

struct Outcome {
  std::optional<std::string> violation;  // of an invariant; nothing if all hold
  std::uint64_t trace = 0;               // equal for equal runs
  // What happened, so that a run in which nothing does is noticed.
  std::size_t events = 0;
  std::size_t accepted = 0;
  std::size_t acknowledged = 0;
  std::size_t completed = 0;
  std::size_t expired = 0;
  std::size_t undeliverable = 0;
  std::size_t pings = 0;
  std::size_t pings_answered = 0;
  std::size_t takeovers = 0;
  std::size_t slow_readers = 0;
  std::size_t throttled = 0;
  std::size_t keep_alives_expired = 0;
  std::size_t crashes = 0;
  std::size_t full_disks = 0;
};

// VERBOSE: tells on the standard error output what passes on the network.
[[nodiscard]] Outcome simulate(std::uint64_t seed, bool verbose = false);

}  // namespace kscpush::simulation

// A push to each device of a fleet, and how long each took from the request to the device.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/bench/fleet.hpp"
#include "cli/bench/pusher.hpp"

namespace kscpush::cli::bench {

struct SweepResult {
  std::vector<float> took;  // ms, of the pushes that arrived
  std::size_t sent = 0;
  std::map<std::string, std::size_t> refused;  // by the reason
};

class Sweep {
 public:
  // RATE: pushes a second, 0 for as many as the pusher takes; BATCH: so many at once. Fleet and
  // pusher must outlive it.
  Sweep(Loop& loop, Fleet& fleet, Pusher& pusher, double rate, std::size_t batch);
  ~Sweep();
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

  // Until every push has arrived or was refused, or nothing has arrived for 15 s. ARRIVED is told
  // how many have, now and then.
  [[nodiscard]] SweepResult run(const std::function<void(std::size_t)>& arrived);

 private:
  void push_some();
  void push(std::size_t most);

  Loop& loop_;
  Fleet& fleet_;
  Pusher& pusher_;
  const double rate_;
  const std::size_t batch_;
  MonoTime begun_{};
  MonoTime last_arrival_{};
  std::size_t next_ = 0;
  std::size_t over_ = 0;          // arrived, refused, or not asked for as the device was away
  std::vector<MonoTime> pushed_;  // by device; zero when it is not waited for
  SweepResult result_;
};

}  // namespace kscpush::cli::bench

// The network of a simulated run: each connection delays, splits, holds up, truncates and resets
// what passes, but like TCP it neither reorders nor invents.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "tests/simulation/checkers.hpp"
#include "tests/simulation/scheduler.hpp"
#include "tests/simulation/server.hpp"
#include "tests/support/net/sim_link.hpp"

namespace kscpush::simulation {

// What the connections of a run have in common.
struct World {
  Scheduler& scheduler;
  SimServer& server;
  Verdict& verdict;
  PushChecker& pushes;
  ProbeChecker& probes;
  const test::MemoryStore& store;
  std::uint64_t trace = 0;  // of all that passed, so that a replay can be told from another run
  std::uint64_t lanes = 0;

  void note(std::uint64_t value) { trace = (trace ^ value) * 0x100000001B3U; }
  // For whoever replays a seed.
  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) const {
    if (!verbose) return;
    const std::chrono::duration<double> time = scheduler.now().time_since_epoch();
    fmt::print(stderr, "{:12.6f} {}\n", time.count(),
               fmt::format(format, std::forward<Args>(args)...));
  }
  bool verbose = false;
};

// The device's end of a connection.
class SimConnection : public std::enable_shared_from_this<SimConnection> {
 public:
  struct Events {
    std::function<void(std::string_view)> received;
    std::function<void()> closed;  // by the server, or the network; the last call
  };

  SimConnection(World& world, const test::ConnectSpec& spec, std::uint64_t seed);

  // False: the server cannot be reached.
  [[nodiscard]] bool open(const test::PeerIdentity& peer, Events events);
  void send(std::string_view bytes);
  void send_garbage(std::string_view bytes) {
    checker_.speaks_garbage();
    send(bytes);
  }
  void close();  // the device has nothing more to say, and does not listen
  void reset();  // the same at once; what is under way is lost
  // Nothing passes any more and nobody is told, as when a device loses its power.
  void vanish();
  // The device reads nothing for that long, then all at once.
  void stop_reading(Duration time);
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] std::uint64_t lane() const { return lane_; }

 private:
  void server_acted();
  void pass_up(const std::string& bytes);
  void pass_down(const std::string& bytes);
  void deliver_held();
  void update_room();
  void end();
  [[nodiscard]] MonoTime arrival(MonoTime& last);

  World& world_;
  Random random_;
  const std::uint64_t lane_;
  const test::WirePtr wire_ = std::make_shared<test::Wire>();
  ConnectionChecker checker_;
  const std::string device_;
  Events events_;
  const std::chrono::microseconds latency_;
  const std::size_t capacity_;  // of bytes that the device has not read
  const int split_percent_;
  MonoTime last_up_{};
  MonoTime last_down_{};
  std::size_t under_way_ = 0;  // bytes to the device
  std::string held_;           // arrived while the device does not read
  MonoTime reads_again_{};
  bool close_noted_ = false;
  bool vanished_ = false;
  bool over_ = false;
};

}  // namespace kscpush::simulation

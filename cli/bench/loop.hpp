// The one thread of a load generator: descriptors, edge triggered, and a tick.
//
// Each part that has descriptors is a LoopHandler; its tag comes back with every event. Written on
// epoll itself, because 50,000 connections must cost less here than in what they measure.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/clock.hpp"
#include "core/descriptor.hpp"
#include "core/result.hpp"

namespace kscpush::cli::bench {

class LoopHandler {
 public:
  virtual ~LoopHandler() = default;
  // EVENTS as epoll has them. TAG as given to watch(): an event that was under way when its
  // descriptor was closed still comes, so that a tag should not be used again at once.
  virtual void on_event(std::uint64_t tag, std::uint32_t events) = 0;
  virtual void on_tick(MonoTime now) = 0;  // every 10 ms or so
};

class Loop {
 public:
  static constexpr unsigned kTagBits = 56;

  explicit Loop(const Clock& clock);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // HANDLER must outlive the loop's runs; at most 255 at a time.
  void add(LoopHandler& handler);
  void remove(LoopHandler& handler);
  // Readable and writable, edge triggered, until the descriptor is closed.
  [[nodiscard]] bool watch(int descriptor, const LoopHandler& handler, std::uint64_t tag);

  // SIGINT and SIGTERM end the runs from now on, instead of the process, until resume().
  static void take_signals();
  [[nodiscard]] static bool interrupted();
  static void resume();

  // Handles events until DONE, which is asked after each turn, or UNTIL. Whether it was done.
  bool run(const std::function<bool()>& done, MonoTime until);
  void run_for(Duration time);

  [[nodiscard]] MonoTime now() const { return clock_.now(); }
  // When the events that are being handled were fetched.
  [[nodiscard]] MonoTime turn() const { return turn_; }

 private:
  void turn_once();

  const Clock& clock_;
  Descriptor epoll_;
  std::vector<LoopHandler*> handlers_;
  MonoTime turn_{};
  MonoTime next_tick_{};
};

}  // namespace kscpush::cli::bench

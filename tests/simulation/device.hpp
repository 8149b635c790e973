// The devices of a simulated run: MQTT clients of both versions that come and go, are slow, forget,
// misbehave, and in the end behave.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/network.hpp"

namespace kscpush::simulation {

struct DevicePlan {
  test::ConnectSpec spec;
  bool agent = false;  // answers pushes and pings
  bool twin = false;   // another client with somebody's id: goes when things calm down
  std::uint8_t qos = 1;
  int clean_percent = 0;   // of connections that begin a new session
  int forget_percent = 0;  // of pushes never acknowledged
  int refuse_percent = 0;  // of pushes acknowledged with an error
  int broken_percent = 0;  // of connections that never become one
  Duration between_faults = std::chrono::seconds(10);
  std::chrono::microseconds slowest_answer{500'000};
};

class SimDevice {
 public:
  SimDevice(World& world, DevicePlan plan, std::uint64_t seed);
  void start();
  // From now on the device does all it should; a twin is gone.
  void calm_down();
  [[nodiscard]] const DevicePlan& plan() const { return plan_; }

 private:
  // What the device knows of one connection.
  struct Dialogue {
    std::shared_ptr<SimConnection> connection;
    test::PacketReader reader;
    bool connected = false;
    bool garbage = false;  // what the device sent there
  };
  using DialoguePtr = std::shared_ptr<Dialogue>;

  void connect();
  void reconnect_soon();
  [[nodiscard]] Duration absence();
  void say_hello(const DialoguePtr& dialogue, const test::ConnectSpec& spec);
  void received(const DialoguePtr& dialogue, std::string_view bytes);
  void handle(const DialoguePtr& dialogue, const test::ServerPacket& packet);
  void handle_connack(const DialoguePtr& dialogue, const test::ServerPacket& packet);
  void handle_push(const DialoguePtr& dialogue, const test::ServerPacket& packet);
  void answer(const DialoguePtr& dialogue, const std::string& push);
  void keep_alive(const DialoguePtr& dialogue);
  void watch(const DialoguePtr& dialogue);
  void fault();
  void do_fault(const DialoguePtr& dialogue);
  void flood(SimConnection& connection);
  void ended(const DialoguePtr& dialogue);
  void after(Duration time, Scheduler::Action action);
  [[nodiscard]] bool is_current(const DialoguePtr& dialogue) const { return dialogue == current_; }

  World& world_;
  DevicePlan plan_;
  Random random_;
  const std::uint64_t lane_;
  DialoguePtr current_;
  std::vector<std::weak_ptr<Dialogue>> former_;  // may still be open
  std::uint16_t last_packet_id_ = 100;
  bool calm_ = false;
  bool gone_ = false;
  std::uint64_t attempt_ = 0;  // the one that is scheduled last counts
};

}  // namespace kscpush::simulation

// What must hold whatever happens. The parts of the simulation report what they see; each checker
// compares it with what is promised. The first violation ends the run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "server/shard.hpp"
#include "tests/support/net/memory_store.hpp"
#include "tests/support/net/mqtt_packets.hpp"

namespace kscpush::simulation {

// Collects the first violation.
class Verdict {
 public:
  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    if (!violation_) violation_ = fmt::format(format, std::forward<Args>(args)...);
  }
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }

 private:
  std::optional<std::string> violation_;
};

// One connection as its bytes show it: what the server sends must be MQTT, go to nobody else, keep
// the order, and respect the window.
class ConnectionChecker {
 public:
  ConnectionChecker(Verdict& verdict, test::ConnectSpec spec);

  // In the order in which the server wrote and was given them.
  std::vector<test::ServerPacket> wrote(std::string_view bytes);
  void gave(std::string_view bytes);
  // The device does not speak MQTT here: what it is answered, in whatever version, is not read.
  void speaks_garbage() { garbage_ = true; }

 private:
  void check_push(const test::ServerPacket& packet);

  Verdict& verdict_;
  const test::ConnectSpec spec_;
  test::PacketReader reader_;
  std::string given_;  // the start of a packet
  bool given_is_mqtt_ = true;
  bool garbage_ = false;
  bool admitted_ = false;
  bool resumed_ = false;
  std::string last_push_;  // the newest stored push that was sent on it
  std::set<std::uint16_t> unacknowledged_;
};

// The pushes of the whole run. Their ids ascend in the order of acceptance.
class PushChecker {
 public:
  PushChecker(Verdict& verdict, const Clock& clock, const test::MemoryStore& store)
      : verdict_(verdict), clock_(clock), store_(store) {}

  // What the operator was told.
  void accepted(const server::PushRecord& push);
  // What devices have seen, said, and taken back.
  void received(const std::string& device, const std::string& push);
  void acknowledged(const std::string& push, bool refused);
  void answered(const std::string& push, PushState status);
  // How often it was written to a device at all; a crash forgets attempts that were not on disk.
  // AGAIN: it says that the device may have seen it before.
  // LANE: of the connection; a later one has a higher number.
  void written(const std::string& push, std::uint64_t lane, bool again);
  // A device that subscribes at QoS 0 confirms nothing, and what is lost to it is lost.
  void at_most_once(const std::string& device) { at_most_once_.insert(device); }
  void attempts_forgotten(int most) { forgotten_ += most; }

  // Accepted pushes are there, and their states are true.
  void check_states();
  // When all devices have been reachable for long enough: nothing waits that need not.
  void check_settled();
  [[nodiscard]] std::size_t count() const { return pushes_.size(); }

 private:
  struct Seen {
    std::string device;
    bool received = false;
    bool acknowledged = false;
    bool refused = false;
    int written = 0;
    std::uint64_t lane = 0;  // the highest
    std::set<PushState> answers;
  };
  void check_state(const server::PushRecord& record, const Seen& seen);

  Verdict& verdict_;
  const Clock& clock_;
  const test::MemoryStore& store_;
  std::map<std::string, Seen> pushes_;
  std::set<std::string> at_most_once_;
  int forgotten_ = 0;
};

// The pings: each is answered once.
class ProbeChecker {
 public:
  explicit ProbeChecker(Verdict& verdict) : verdict_(verdict) {}
  // The callback to give to the server.
  [[nodiscard]] server::ProbeDone ask(MonoTime deadline);
  void check_overdue(MonoTime now);
  [[nodiscard]] std::size_t asked() const { return asked_; }
  [[nodiscard]] std::size_t completed() const { return *completed_; }

 private:
  Verdict& verdict_;
  std::map<std::size_t, MonoTime> open_;
  std::size_t asked_ = 0;
  std::shared_ptr<std::size_t> completed_ = std::make_shared<std::size_t>(0);
};

// The shards: what they hold is consistent, one live session a device, and bounded.
void check_shards(Verdict& verdict, const server::ShardContext& context);

}  // namespace kscpush::simulation

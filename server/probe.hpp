// Pings that wait for their answer.
//
// A probe is a push that is never stored: it goes out at QoS 1 if the device is connected, its
// PUBACK is timed, and when the device is an agent its own answer is waited for as well.
// One thread: the shard's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "core/result.hpp"
#include "server/timer_wheel.hpp"

namespace kscpush::server {

struct ProbeReport {
  WallTime connected_since{};
  std::string address;
  std::string protocol;
  // Nothing when the device subscribed with QoS 0, which has no PUBACK.
  std::optional<Duration> puback;
  std::string agent;               // the agent's version; empty for other clients
  std::optional<Duration> answer;  // until the agent's own answer
};
// Called once, on the shard's thread. kOffline, kNoAnswer, kOverloaded.
using ProbeDone = std::function<void(Result<ProbeReport>)>;

class ProbeTable;

class Probe final : public Timer {
 public:
  Probe(ProbeTable& table, Ulid id, std::string device, ProbeDone done, ProbeReport report,
        bool wants_puback)
      : table_(table),
        id_(std::move(id)),
        device_(std::move(device)),
        done_(std::move(done)),
        report_(std::move(report)),
        wants_puback_(wants_puback) {}
  void on_timer(MonoTime now) override;

 private:
  friend class ProbeTable;
  ProbeTable& table_;
  Ulid id_;
  std::string device_;
  ProbeDone done_;
  ProbeReport report_;
  bool wants_puback_;
  MonoTime sent_{};
};

class ProbeTable {
 public:
  static constexpr std::size_t kMost = 10'000;
  // Tokens of probes have this bit; those of stored pushes, row numbers, never do.
  static constexpr std::uint64_t kTokenBit = std::uint64_t{1} << 63;
  [[nodiscard]] static std::uint64_t token_of(const Ulid& id);

  ~ProbeTable() = default;
  [[nodiscard]] bool full() const { return probes_.size() >= kMost; }
  Probe& add(std::unique_ptr<Probe> probe, MonoTime now);
  // Each may finish the probe: its callback runs and it is gone.
  void acked(std::uint64_t token, MonoTime now);
  // False if no probe of this device has the id.
  bool answered(const Ulid& id, std::string_view device, MonoTime now);
  void fail(const Probe& probe, Error error);
  void fail_all_of(std::string_view device, const Error& error);
  void fail_all(const Error& error);

 private:
  void finish_if_complete(std::uint64_t token);
  std::unordered_map<std::uint64_t, std::unique_ptr<Probe>> probes_;
};

}  // namespace kscpush::server

// Pings, and other questions, that wait for their answer.
//
// A probe is a push that is never stored: it goes out at QoS 1 if the device is connected. Of a
// ping the PUBACK is timed, and when the device is an agent its own answer is waited for as well;
// of what else is asked the answer is what counts. One thread: the shard's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/push.hpp"
#include "core/result.hpp"
#include "server/timer_wheel.hpp"

namespace kscpush::server {

// What a device is sent, the same for all devices of one request, so that it is encoded once.
struct ProbeOrder {
  // PARAMS: the text of a JSON object.
  ProbeOrder(WallTime now, Duration timeout, std::string_view kind = "ping",
             std::string_view params = "{}");
  Ulid id;
  Duration timeout;
  WallTime expires;
  std::string payload;
  bool is_ping = true;
};

struct ProbeReport {
  // Nothing when the device subscribed with QoS 0, which has no PUBACK.
  std::optional<Duration> puback;
  std::optional<Duration> answer;    // until the agent's own answer; nothing of other clients
  std::optional<PushAnswer> said{};  // that answer
};
// Called once, on the shard's thread. kOffline, kNoAnswer, kOverloaded.
using ProbeDone = std::function<void(Result<ProbeReport>)>;

class ProbeTable;

class Probe final : public Timer {
 public:
  // What it waits for.
  struct Awaited {
    bool puback = true;
    bool answer = false;
  };
  Probe(ProbeTable& table, const Ulid& id, std::string device, Awaited awaited, ProbeDone done)
      : table_(table),
        id_(id),
        device_(std::move(device)),
        awaited_(awaited),
        done_(std::move(done)) {}
  void on_timer(MonoTime now) override;

 private:
  friend class ProbeTable;
  [[nodiscard]] bool complete() const;

  ProbeTable& table_;
  Ulid id_;
  std::string device_;
  Awaited awaited_;
  ProbeDone done_;
  ProbeReport report_;
  MonoTime sent_{};
};

class ProbeTable {
 public:
  static constexpr std::size_t kMost = 10'000;
  // Tokens of probes have this bit; those of stored pushes, row numbers, never do.
  static constexpr std::uint64_t kTokenBit = std::uint64_t{1} << 63;
  // Different for the probes of one device.
  [[nodiscard]] static std::uint64_t token_of(const Ulid& id);

  [[nodiscard]] bool full() const { return probes_.size() >= kMost; }
  Probe& add(std::unique_ptr<Probe> probe, MonoTime now);
  // Each may finish the probe: its callback runs and it is gone.
  void acked(std::string_view device, std::uint64_t token, MonoTime now);
  // False if no probe of this device has the id. That it has started is no answer yet.
  bool answered(std::string_view device, const PushAnswer& answer, MonoTime now);
  void fail(const Probe& probe, Error error);
  void fail_all_of(std::string_view device, const std::function<Error()>& why);
  void fail_all(const Error& error);

 private:
  // By device; the text is the probe's.
  using Probes = std::unordered_multimap<std::string_view, std::unique_ptr<Probe>>;
  template <class Test>
  [[nodiscard]] Probes::iterator find(std::string_view device, Test test);
  void finish_if_complete(Probes::iterator found);

  Probes probes_;
};

}  // namespace kscpush::server

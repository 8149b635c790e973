#include "tests/simulation/simulation.hpp"

#include <memory>
#include <vector>

#include "tests/simulation/checkers.hpp"
#include "tests/simulation/device.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/server.hpp"

namespace kscpush::simulation {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::uint64_t kOperatorLane = 1;
// The longest pause before an attempt; then reconnecting, and a full store one by one over a slow
// connection, take less.
constexpr seconds kCalm{120 + 90};
// The shards are looked at after every so many events.
constexpr std::size_t kCheckEvery = 16;

class Run {
 public:
  Run(std::uint64_t seed, bool verbose)
      : random_(seed),
        store_(scheduler_, test::MemoryStore::Commit::kByHand, store_limits()),
        pushes_(verdict_, scheduler_, store_),
        probes_(verdict_),
        server_(scheduler_, verdict_, pushes_, store_, server_plan(), random_.next()),
        world_{scheduler_, server_, verdict_, pushes_, probes_, store_} {
    world_.lanes = 10;
    world_.verbose = verbose;
    make_devices();
  }

  Outcome run() {
    server_.start();
    for (const auto& device : devices_) device->start();
    const MonoTime calm_from = scheduler_.now() + seconds(random_.between(5, 60));
    operate(calm_from, microseconds(random_.between(20'000, 1'500'000)));
    disturb(calm_from);
    fill_disk(calm_from);
    run_until(calm_from);
    if (!server_.up()) server_.start();
    store_.set_full(false);
    world_.tell("calm");
    for (const auto& device : devices_) device->calm_down();
    run_until(calm_from + kCalm);
    check_settled();
    return outcome();
  }

 private:
  server::StoreLimits store_limits() {
    server::StoreLimits limits;
    limits.pending_per_device = static_cast<std::size_t>(random_.between(3, 50));
    return limits;
  }

  ServerPlan server_plan() {
    ServerPlan plan;
    plan.shards = random_.below(3) + 1;
    plan.limits.unsent_bytes = static_cast<std::uint32_t>(random_.between(4096, 16'384));
    plan.limits.slow_reader_timeout_s = static_cast<std::uint32_t>(random_.between(3, 30));
    plan.limits.handshakes_in_flight = static_cast<std::uint32_t>(random_.between(2, 20));
    plan.limits.inbound_bytes_per_s = static_cast<std::uint32_t>(random_.between(4096, 32'768));
    plan.slowest_commit = microseconds(random_.between(200, 50'000));
    return plan;
  }

  void make_devices() {
    const std::size_t count = random_.below(6) + 1;
    for (std::size_t i = 0; i < count; ++i) {
      DevicePlan plan = device_plan(fmt::format("device-{}", i));
      store_.add_device(DeviceId::parse(plan.spec.id).value());
      devices_.push_back(std::make_unique<SimDevice>(world_, plan, random_.next()));
      if (!random_.percent(15)) continue;
      plan.twin = true;
      devices_.push_back(std::make_unique<SimDevice>(world_, plan, random_.next()));
    }
    // One that is not registered, and never gets in.
    if (random_.percent(20)) {
      DevicePlan plan = device_plan("stranger");
      plan.twin = true;
      devices_.push_back(std::make_unique<SimDevice>(world_, plan, random_.next()));
    }
  }

  DevicePlan device_plan(std::string id) {
    DevicePlan plan;
    plan.spec.id = std::move(id);
    plan.agent = random_.percent(60);
    const bool v5 = random_.percent(60);
    plan.spec.version = v5 ? mqtt::Version::kV5 : mqtt::Version::kV311;
    plan.spec.keep_alive_s = static_cast<std::uint16_t>(random_.between(2, 40));
    if (v5) {
      if (plan.agent) plan.spec.agent = "1.0";
      const bool lasting = random_.percent(70);
      plan.spec.session_expiry_s =
          lasting ? static_cast<std::uint32_t>(random_.between(1, 600)) : 0;
      if (random_.percent(30)) {
        plan.spec.receive_maximum = static_cast<std::uint16_t>(random_.between(1, 20));
      }
      if (random_.percent(20)) plan.spec.max_packet_bytes = 1500;
    }
    if (random_.percent(30)) {
      plan.spec.will = "gone";
      plan.spec.will_topic = mqtt::UpTopic::kEvent;
      if (v5) plan.spec.will_delay_s = static_cast<std::uint32_t>(random_.between(0, 20));
    }
    plan.qos = random_.percent(15) ? 0 : 1;
    if (plan.qos == 0) pushes_.at_most_once(plan.spec.id);
    plan.clean_percent = random_.percent(50) ? 0 : static_cast<int>(random_.between(1, 100));
    plan.forget_percent = random_.percent(60) ? 0 : static_cast<int>(random_.between(1, 60));
    // A PUBACK of MQTT 3.1.1 has no reason code.
    plan.refuse_percent = v5 && random_.percent(20) ? 10 : 0;
    plan.broken_percent = random_.percent(70) ? 0 : 20;
    plan.between_faults = milliseconds(random_.between(300, 30'000));
    plan.slowest_answer = microseconds(random_.between(100, 800'000));
    return plan;
  }

  // Pushes and pings, to devices that there are and one that there is not.
  void operate(MonoTime until, microseconds pause) {
    scheduler_.after(random_.time(microseconds(0), pause), kOperatorLane, [this, until, pause] {
      if (scheduler_.now() >= until) return;
      const std::string& id = devices_[random_.below(devices_.size())]->plan().spec.id;
      if (!server_.up()) {
        // Nobody to ask.
      } else if (random_.percent(15)) {
        ping(DeviceId::parse(id).value());
      } else {
        push(random_.percent(2) ? "nobody" : id);
      }
      operate(until, pause);
    });
  }

  void ping(const DeviceId& device) {
    const auto timeout = seconds(random_.between(1, 30));
    server_.ping(device, timeout, probes_.ask(scheduler_.now() + timeout + seconds(2)));
  }

  void push(const std::string& device) {
    const std::size_t size = random_.percent(80) ? random_.below(50) : random_.below(6000);
    // A crash of the server is told from a loss by the time to live: most outlive the run.
    const auto ttl = random_.percent(70) ? seconds(100'000) : seconds(random_.between(1, 120));
    server_.push({.id = Ulid::parse(fmt::format("{:026}", ++last_push_)).value(),
                  .device = DeviceId::parse(device).value(),
                  .kind = "sync",
                  .params = fmt::format(R"({{"x":"{}"}})", std::string(size, 'x')),
                  .collapse_key = random_.percent(20) ? "sync" : "",
                  .expires = scheduler_.wall() + ttl});
  }

  void disturb(MonoTime until) {
    if (random_.percent(40)) return;
    scheduler_.after(seconds(random_.between(2, 30)), kOperatorLane, [this, until] {
      if (scheduler_.now() >= until) return;
      if (random_.percent(60)) {
        ++crashes_;
        world_.tell("the server crashes");
        server_.crash();
      } else {
        world_.tell("the server stops");
        server_.stop();
      }
      scheduler_.after(milliseconds(random_.between(1, 5000)), kOperatorLane, [this, until] {
        world_.tell("the server starts");
        if (!server_.up()) server_.start();
        disturb(until);
      });
    });
  }

  // The disk takes nothing for a while.
  void fill_disk(MonoTime until) {
    if (random_.percent(60)) return;
    scheduler_.after(seconds(random_.between(1, 30)), kOperatorLane, [this, until] {
      if (scheduler_.now() >= until) return;
      ++full_disks_;
      world_.tell("the disk is full");
      store_.set_full(true);
      scheduler_.after(milliseconds(random_.between(10, 20'000)), kOperatorLane, [this, until] {
        world_.tell("the disk has room");
        store_.set_full(false);
        fill_disk(until);
      });
    });
  }

  void run_until(MonoTime end) {
    server_.run();
    while (!verdict_.violation() && scheduler_.run_one(end)) {
      server_.run();
      if (++events_ % kCheckEvery == 0) server_.check();
    }
  }

  void check_settled() {
    if (verdict_.violation()) return;
    server_.check();
    store_.expire(scheduler_.wall());
    store_.commit();
    pushes_.check_settled();
    probes_.check_overdue(scheduler_.now());
    for (const auto& device : devices_) {
      const bool expected = !device->plan().twin;
      if (expected && !server_.knows(DeviceId::parse(device->plan().spec.id).value())) {
        verdict_.fail("{} is not connected although nothing hinders it", device->plan().spec.id);
      }
    }
  }

  Outcome outcome() {
    Outcome result;
    result.violation = verdict_.violation();
    result.trace = world_.trace;
    result.events = events_;
    result.accepted = pushes_.count();
    for (const auto& entry : store_.pushes()) {
      const auto reached = [&](PushState state) {
        return entry.second.reached[static_cast<std::size_t>(state)].has_value() ? 1U : 0U;
      };
      result.acknowledged += reached(PushState::kAcked);
      result.completed += reached(PushState::kCompleted);
      result.expired += reached(PushState::kExpired);
      result.undeliverable += reached(PushState::kUndeliverable);
    }
    result.pings = probes_.asked();
    result.pings_answered = probes_.completed();
    result.takeovers = server_.ended(mqtt::EndReason::kTakenOver);
    result.slow_readers = server_.ended(mqtt::EndReason::kSlowReader);
    result.throttled = server_.throttled();
    result.keep_alives_expired = server_.ended(mqtt::EndReason::kKeepAliveExpired);
    result.crashes = crashes_;
    result.full_disks = full_disks_;
    return result;
  }

  Random random_;
  Scheduler scheduler_;
  Verdict verdict_;
  test::MemoryStore store_;
  PushChecker pushes_;
  ProbeChecker probes_;
  SimServer server_;
  World world_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::size_t events_ = 0;
  std::size_t crashes_ = 0;
  std::size_t full_disks_ = 0;
  std::uint64_t last_push_ = 0;
};

}  // namespace

Outcome simulate(std::uint64_t seed, bool verbose) {
  return Run(seed, verbose).run();
}

}  // namespace kscpush::simulation

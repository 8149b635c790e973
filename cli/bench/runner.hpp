// A load test: connects a fleet, takes the steps, and measures each.
#pragma once

#include <nlohmann/json.hpp>

#include "cli/bench/admin_probe.hpp"
#include "cli/bench/process_usage.hpp"
#include "cli/bench/steps.hpp"
#include "cli/bench/sweep.hpp"
#include "cli/context.hpp"

namespace kscpush::cli::bench {

struct RunOptions {
  std::vector<Step> steps;
  std::size_t in_flight = 64;
  double rate = 0;
  double push_rate = 0;
  std::size_t push_batch = 100;
  std::optional<pid_t> pid;  // whose memory and CPU to measure
};

class Runner {
 public:
  // PUSHER and PROBE may be null: then there is no sweep, and the admin API is not timed.
  Runner(Loop& loop, Fleet& fleet, Pusher* pusher, AdminProbe* probe, RunOptions options,
         const Context& context);

  // ROW gets an object for each step as it ends:
  //   step, devices, failed, seconds, per_second,      "sweeps": several sweeps taken together
  //   ms {p50, p90, p99, max}                   of a device: to be connected, to get its push
  //   losses {reason: number}                   of connections, of pushes
  //   server {cpu_us, cpu_s, threads {name: cpu_us}}         of --pid; us a device
  //   server {own_bytes, pss_bytes, rss_bytes, kernel_bytes} a connection, more than before the
  //          first: after connecting, and at the end of a hold, when all are idle. kernel_bytes is
  //          of this machine and of both ends when the devices are on it too
  //   server {process_bytes}                    own_bytes of the whole process, in all
  //   resumed, admin_ms                                       of a storm
  // kPartial when some device failed in some step; kUnreachable when none could connect.
  [[nodiscard]] Status run(const std::function<void(const nlohmann::json&)>& row);

 private:
  struct Moment {
    MonoTime time{};
    std::optional<ProcessUsage> usage;
  };
  [[nodiscard]] Result<Moment> moment(bool memory) const;
  [[nodiscard]] Result<nlohmann::json> step(const Step& step, std::vector<float>& took);
  [[nodiscard]] Result<nlohmann::json> connect();
  [[nodiscard]] Result<nlohmann::json> hold(const Step& step);
  // TOOK gets what each push took.
  [[nodiscard]] Result<nlohmann::json> sweep(std::vector<float>& took);
  // The row of COUNT sweeps together, which TOOK so long each push.
  [[nodiscard]] Result<nlohmann::json> sweeps(const Moment& before, std::vector<float> took,
                                              int count) const;
  [[nodiscard]] Result<nlohmann::json> come_back(bool cut);
  [[nodiscard]] Result<nlohmann::json> wait_for_line();
  // Until all are connected, or nobody has been for the time that an attempt may take.
  [[nodiscard]] bool all_ready(const std::string& what);
  // Adds to ROW what a connection takes now.
  [[nodiscard]] Status add_memory(nlohmann::json& row) const;
  [[nodiscard]] Result<nlohmann::json> report(std::string_view name, const Moment& before,
                                              std::size_t done, std::vector<float> took,
                                              std::size_t times = 1) const;

  Loop& loop_;
  Fleet& fleet_;
  Pusher* const pusher_;
  AdminProbe* const probe_;
  const RunOptions options_;
  const Context& context_;
  std::optional<ProcessUsage> unconnected_;  // of the server before the first device
};

}  // namespace kscpush::cli::bench

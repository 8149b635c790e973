// What a load test connects to, and with what: a push server of the site, or another broker.
#pragma once

#include <sys/types.h>

#include "cli/bench/fleet.hpp"
#include "cli/bench/pusher.hpp"
#include "cli/bench/site_devices.hpp"

namespace kscpush::cli::bench {

// As on the command line, where each is explained.
struct BenchOptions {
  std::vector<std::string> steps{"hold", "sweep"};
  std::size_t devices = 1000;
  std::size_t first = 1;
  std::string prefix = "bench-";
  std::string dp;
  std::string group;
  bool plain = false;
  bool keep = false;
  std::string broker;
  bool tls = false;
  std::string certificate;
  std::string key;
  std::string topic = "bench/{id}";
  std::string user;
  std::string password;
  std::string mqtt = "5";
  double rate = 0;
  std::size_t in_flight = 64;
  std::uint16_t keep_alive_s = 600;
  bool resume = false;
  std::string push = "sync";
  std::size_t pushes_in_flight = 64;
  std::size_t push_batch = 100;
  double push_rate = 0;
  pid_t pid = 0;
};

struct Plan {
  FleetOptions fleet;
  std::unique_ptr<TlsClient> tls;    // null: plain
  std::optional<AdminAccess> admin;  // of a kscpush server
  std::optional<SiteDevices> devices;
};

// On a site the devices are registered when it returns; plan.devices removes them. Errors: those of
// the site, kUnreachable without a server, kUsage for a broker's address that is none.
[[nodiscard]] Result<Plan> make_plan(const BenchOptions& options, const Context& context);
// By the plan's admin API, else as a publisher, which is connected when it returns.
[[nodiscard]] Result<std::unique_ptr<Pusher>> make_pusher(const BenchOptions& options,
                                                          const Plan& plan, Loop& loop);

}  // namespace kscpush::cli::bench

// kscpush bench: what a push server, or another MQTT broker, bears.
#include <algorithm>
#include <ostream>

#include <sys/resource.h>

#include "cli/bench/plan.hpp"
#include "cli/bench/runner.hpp"
#include "cli/commands.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;
using namespace bench;

constexpr std::size_t kMaxDevices = 9'999'999;
constexpr std::size_t kSpareDescriptors = 300;

const std::vector<Column> kColumns{
    {"STEP", "/step"},
    {"DEVICES", "/devices"},
    {"FAILED", "/failed"},
    {"SECONDS", "/seconds"},
    {"PER SECOND", "/per_second"},
    {"P50 MS", "/ms/p50"},
    {"P90 MS", "/ms/p90"},
    {"P99 MS", "/ms/p99"},
    {"MAX MS", "/ms/max"},
    {"CPU US EACH", "/server/cpu_us"},
    {"BYTES EACH", "/server/own_bytes"},
    {"CPU S", "/server/cpu_s", /*wide_only=*/true},
    {"RSS EACH", "/server/rss_bytes", /*wide_only=*/true},
    {"KERNEL EACH", "/server/kernel_bytes", /*wide_only=*/true},
    {"RESUMED", "/resumed", /*wide_only=*/true},
    {"ADMIN MS", "/admin_ms", /*wide_only=*/true},
};

Status allow_descriptors(std::size_t devices) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t need = devices + kSpareDescriptors;
  if (limit.rlim_cur < need) {
    limit.rlim_cur = std::min(need, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= need) return {};
  return fail({ErrorCode::kUsage,
               fmt::format("{} devices need {} descriptors, this process may have {}", devices,
                           need, limit.rlim_max),
               fmt::format("allow more ('ulimit -n {0}' as root, or LimitNOFILE={0} of its unit), "
                           "or run several at once with --devices and --first",
                           need)});
}

Status run_steps(const BenchOptions& options, const std::vector<Step>& steps, const Plan& plan,
                 Loop& loop, const Context& context) {
  Fleet fleet(loop, plan.fleet, plan.tls.get());
  std::unique_ptr<Pusher> pusher;
  if (std::ranges::any_of(steps, [](const Step& s) { return s.kind == Step::Kind::kSweep; })) {
    auto made = make_pusher(options, plan, loop);
    if (!made) return fail(made.error());
    pusher = std::move(*made);
  }
  std::optional<AdminProbe> probe;
  if (plan.admin && std::ranges::any_of(steps, [](const Step& s) {
        return s.kind == Step::Kind::kStorm || s.kind == Step::Kind::kOutage;
      })) {
    probe.emplace(ApiClient(plan.admin->listen, plan.admin->token), context.clock);
  }
  RunOptions run{steps,
                 options.in_flight,
                 options.rate,
                 options.push_rate,
                 options.push_batch,
                 options.pid == 0 ? std::nullopt : std::optional(options.pid)};
  Runner runner(loop, fleet, pusher.get(), probe ? &*probe : nullptr, std::move(run), context);
  ListPrinter printer(kColumns, "/step", context);
  bool measured = false;
  Status done = runner.run([&](const json& row) {
    printer.add(json::array({row}));
    context.out.flush();
    measured = true;
  });
  if (measured) printer.finish();
  fleet.leave();
  return done;
}

Status run_bench(const BenchOptions& options, Context& context) {
  const auto steps = parse_steps(options.steps);
  if (!steps) return fail(steps.error());
  if (options.first + options.devices - 1 > kMaxDevices) {
    return fail(ErrorCode::kUsage, "devices are numbered up to {}", kMaxDevices);
  }
  if (auto allowed = allow_descriptors(options.devices); !allowed) return allowed;
  if (options.pid != 0) {
    if (const auto usage = process_usage(options.pid); !usage) return fail(usage.error());
  }
  const auto plan = make_plan(options, context);
  if (!plan) return fail(plan.error());
  Loop loop(context.clock);
  Loop::take_signals();
  Status done = run_steps(options, *steps, *plan, loop, context);
  Loop::resume();
  if (!plan->devices || options.keep) return done;
  Status removed = plan->devices->remove(loop, *plan->admin);
  return done ? removed : done;
}

void add_target_options(CLI::App& command, BenchOptions& options) {
  command.add_option("--dp", options.dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command
      .add_option("--group", options.group,
                  "The group of the devices (default: the first of the scope)")
      ->type_name("GROUP");
  command.add_flag("--plain", options.plain, "Through push_server.plain_listener, without TLS");
  command.add_flag("--keep", options.keep, "Leave the devices registered");
  auto* const broker =
      command.add_option("--broker", options.broker, "Another MQTT broker instead of the site")
          ->type_name("HOST:PORT");
  command.add_flag("--tls", options.tls, "The broker speaks TLS")->needs(broker);
  command.add_option("--cert", options.certificate, "Client certificate for it, PEM")
      ->type_name("FILE")
      ->needs(broker);
  command.add_option("--key", options.key, "The certificate's key, PEM")
      ->type_name("FILE")
      ->needs(broker);
  command
      .add_option("--topic", options.topic,
                  "What a device of it subscribes to (default: bench/{id})")
      ->type_name("TOPIC")
      ->needs(broker);
  command.add_option("--user", options.user, "User name for it; {id} stands for the device's id")
      ->type_name("NAME")
      ->needs(broker);
  command.add_option("--password", options.password, "Its password")
      ->type_name("TEXT")
      ->needs(broker);
}

void add_load_options(CLI::App& command, BenchOptions& options) {
  command.add_option("-n,--devices", options.devices, "How many (default: 1000)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, kMaxDevices));
  command.add_option("--first", options.first, "Number of the first of them (default: 1)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, kMaxDevices));
  command.add_option("--prefix", options.prefix, "Of their ids, before the number (bench-)")
      ->type_name("TEXT");
  command.add_option("--mqtt", options.mqtt, "Version: 5 (default) or 3.1.1")
      ->type_name("VERSION")
      ->check(CLI::IsMember({"5", "3.1.1"}));
  command.add_option("--in-flight", options.in_flight, "Connections made at a time (default: 64)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, kMaxDevices));
  command.add_option("--rate", options.rate, "Connections begun a second (default: no limit)")
      ->type_name("N")
      ->check(CLI::Range(0.1, 1e6));
  command.add_option("--keep-alive", options.keep_alive_s, "Seconds; 0: none (default: 600)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 65535));
  command.add_flag("--resume", options.resume, "TLS: come back by the ticket of the last time");
  command.add_option("--push", options.push, "sync (default; stored first) or ping (not stored)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"sync", "ping"}));
  command
      .add_option("--pushes-in-flight", options.pushes_in_flight,
                  "Requests for pushes, or publications, under way at a time (default: 64)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100}));
  command
      .add_option("--push-batch", options.push_batch,
                  "Pushes asked for at once, in one request where there is one for many "
                  "(default: 100)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}));
  command.add_option("--push-rate", options.push_rate, "Pushes a second (default: no limit)")
      ->type_name("N")
      ->check(CLI::Range(0.1, 1e6));
  command
      .add_option("--pid", options.pid,
                  "The server's process on this machine: measure its CPU and memory")
      ->type_name("PID")
      ->check(CLI::Range(1, 1 << 22));
}

}  // namespace

void add_bench(CLI::App& parent, Context& context) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = parent.add_subcommand(
      "bench", "Measure what a push server bears: connects a fleet, pushes, cuts it off");
  command
      ->add_option(
          "steps", options->steps,
          "What to do once connected, in this order (default: hold sweep): hold[=SECONDS], "
          "sweep[=TIMES] (a push to each), storm[=TIMES] (all cut and back at once), outage "
          "(wait for the server to go and come), wait (for a line on standard input)")
      ->type_name("STEP");
  add_load_options(*command, *options);
  add_target_options(*command, *options);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_bench(*options, context); };
  });
}

}  // namespace kscpush::cli

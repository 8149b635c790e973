// kscpush bench: what a push server, or another MQTT broker, bears.
#include <ostream>

#include <sys/resource.h>

#include "cli/app.hpp"
#include "cli/bench/runner.hpp"
#include "cli/bench/site_devices.hpp"
#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;
using namespace bench;

constexpr std::size_t kMaxDevices = 9'999'999;
constexpr std::size_t kSpareDescriptors = 300;
constexpr std::size_t kMaxPem = 64 * 1024;

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
  double push_rate = 0;
  pid_t pid = 0;
};

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

// What is to be connected to, and with what.
struct Plan {
  FleetOptions fleet;
  std::unique_ptr<TlsClient> tls;    // null: plain
  std::optional<AdminAccess> admin;  // of a kscpush server
  std::optional<SiteDevices> devices;
};

FleetOptions fleet_options(const BenchOptions& options, Target target, std::string topic) {
  FleetOptions fleet;
  fleet.target = std::move(target);
  fleet.devices = options.devices;
  fleet.first = options.first;
  fleet.prefix = options.prefix;
  fleet.topic = std::move(topic);
  fleet.version = options.mqtt == "5" ? mqtt::Version::kV5 : mqtt::Version::kV311;
  fleet.username = options.user;
  fleet.password = options.password;
  fleet.keep_alive_s = options.keep_alive_s;
  fleet.resume = options.resume;
  return fleet;
}

Result<std::pair<std::string, Port>> parse_broker(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto bad = [&](std::string_view why) {
    return fail({ErrorCode::kUsage, fmt::format("--broker '{}': {}", text, why),
                 "give HOST:PORT, like 127.0.0.1:1883"});
  };
  if (colon == std::string::npos || colon == 0) return bad("no HOST:PORT");
  const auto port = Port::parse(text.substr(colon + 1));
  if (!port) return bad(port.error().message);
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::pair(std::move(host), *port);
}

Result<Plan> plan_broker(const BenchOptions& options, const Context& context) {
  const auto address = parse_broker(options.broker);
  if (!address) return fail(address.error());
  auto target = resolve(address->first, address->second);
  if (!target) return fail(target.error());
  Plan plan{fleet_options(options, std::move(*target), options.topic), nullptr, {}, {}};
  if (!options.tls) return plan;
  TlsIdentity identity;
  for (const auto& [path, text] : {std::pair(options.certificate, &identity.certificate)}) {
    if (path.empty()) continue;
    auto pem = read_file(context.directory / path, kMaxPem);
    if (!pem) return fail(pem.error());
    *text = std::move(*pem);
  }
  if (!options.key.empty()) {
    auto pem = read_file(context.directory / options.key, kMaxPem);
    if (!pem) return fail(pem.error());
    identity.key = Secret(std::move(*pem));
  }
  auto tls = TlsClient::create(std::move(identity), options.resume);
  if (!tls) return fail(tls.error());
  plan.tls = std::move(*tls);
  return plan;
}

Result<std::vector<DeviceId>> device_ids(const BenchOptions& options) {
  std::vector<DeviceId> ids;
  ids.reserve(options.devices);
  for (std::size_t n = 0; n < options.devices; ++n) {
    auto id = DeviceId::parse(fmt::format("{}{:06}", options.prefix, options.first + n));
    if (!id) return fail(within("--prefix", id.error()));
    ids.push_back(std::move(*id));
  }
  return ids;
}

// Its admin API is on this machine, so the server is, whatever name devices know it by.
Result<Target> site_target(const site::DistributionPoint& dp, bool plain) {
  const site::PushServer& server = dp.push_server;
  if (plain && !server.plain_listener) {
    return fail({ErrorCode::kInvalidConfig, fmt::format("'{}' has no plain listener", dp.name),
                 "add to its push_server, and restart it: plain_listener: 127.0.0.1:1883"});
  }
  if (plain) return resolve(server.plain_listener->host, server.plain_listener->port);
  const bool any = server.listen == "0.0.0.0" || server.listen == "::";
  return resolve(any ? "127.0.0.1" : server.listen, server.port);
}

Result<Plan> plan_site(const BenchOptions& options, const Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  std::string group = options.group;
  if (group.empty()) {
    const auto& scope = (*dp)->scope_groups;
    group = scope.empty() ? std::string(site::kRootGroup) : scope.front().path;
  }
  if (auto known = require_group(file->site, group); !known) return fail(known.error());
  const auto ids = device_ids(options);
  if (!ids) return fail(ids.error());
  auto target = site_target(**dp, options.plain);
  if (!target) return fail(target.error());
  const auto paths = site::server_paths(**dp, file->folder());
  // Before anything is registered: is there a server?
  const auto api = api_client(**dp, paths);
  if (!api) return fail(api.error());
  if (const auto server = api->get("/v1/server"); !server) return fail(server.error());
  auto admin = admin_access(**dp, paths);
  if (!admin) return fail(admin.error());
  Plan plan{fleet_options(options, std::move(*target), "ksc/v1/devices/{id}/push"),
            nullptr,
            std::move(*admin),
            {}};
  if (!options.plain) {
    auto identity = site_identity(paths, *ids, context.clock.wall());
    if (!identity) return fail(identity.error());
    auto tls = TlsClient::create(std::move(*identity), options.resume);
    if (!tls) return fail(tls.error());
    plan.tls = std::move(*tls);
  }
  auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  plan.devices.emplace(std::move(*registry), context);
  if (auto added = plan.devices->add(*ids, group); !added) return fail(added.error());
  return plan;
}

Result<std::unique_ptr<Pusher>> make_pusher(const BenchOptions& options, const Plan& plan,
                                            Loop& loop) {
  if (plan.admin) {
    return std::make_unique<ApiPusher>(loop, plan.admin->target, plan.admin->token, options.push,
                                       options.pushes_in_flight);
  }
  PublisherOptions publisher{.target = plan.fleet.target,
                             .id = options.prefix + "publisher",
                             .topic = options.topic,
                             .version = plan.fleet.version,
                             .username = options.user,
                             .password = options.password,
                             .in_flight = options.pushes_in_flight};
  auto pusher = std::make_unique<MqttPusher>(loop, std::move(publisher), plan.tls.get());
  if (auto opened = pusher->open(); !opened) return fail(opened.error());
  return pusher;
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
  RunOptions run{steps, options.in_flight, options.rate, options.push_rate,
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
  const auto plan =
      options.broker.empty() ? plan_site(options, context) : plan_broker(options, context);
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
                  "Pushes asked for at a time (default: 64)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100}));
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

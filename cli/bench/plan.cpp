#include "cli/bench/plan.hpp"

#include "cli/support/api_client.hpp"
#include "cli/support/groups.hpp"
#include "core/file.hpp"

namespace kscpush::cli::bench {
namespace {

constexpr std::size_t kMaxPem = 64 * 1024;

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
  if (!options.certificate.empty()) {
    auto pem = read_file(context.directory / options.certificate, kMaxPem);
    if (!pem) return fail(pem.error());
    identity.certificate = std::move(*pem);
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

}  // namespace

Result<Plan> make_plan(const BenchOptions& options, const Context& context) {
  return options.broker.empty() ? plan_site(options, context) : plan_broker(options, context);
}

Result<std::unique_ptr<Pusher>> make_pusher(const BenchOptions& options, const Plan& plan,
                                            Loop& loop) {
  if (plan.admin) {
    return std::make_unique<ApiPusher>(
        loop, ApiPusherOptions{plan.admin->target, plan.admin->token, options.push,
                               options.push_batch, options.pushes_in_flight});
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

}  // namespace kscpush::cli::bench

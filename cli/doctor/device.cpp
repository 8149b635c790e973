#include "cli/doctor/device.hpp"

#include "cli/device/registry.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/time.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kServerTimeout{3'000};
constexpr std::chrono::milliseconds kPlanTimeout{10'000};

// That the server cannot tell in time is no reason to blame the configuration.
bool runs_the_files(const ApiClient& api, const SiteFile& file) {
  const auto plan =
      api.post("/v1/site/plan", {{"files", server::to_json(file.sources.bundle())}}, kPlanTimeout);
  return !plan || plan->value("changes", json::array()).empty();
}

std::optional<WallTime> time_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return parse_rfc3339(found->get<std::string>());
}

// What the registry and the connection say. The strings that FACTS views are SUBJECT's.
policy::DeviceState state_from(const json& device, const Subject& subject, const std::string& dp) {
  policy::DeviceState state;
  state.facts = subject.facts();
  state.local = &subject.local;
  state.registered = true;
  state.revoked = device.at("revoked").get<bool>();
  state.enrolled = device.at("enrolled").get<bool>();
  state.certificate_ends = time_at(device, "certificate_ends");
  state.last_seen = time_at(device, "last_seen");
  const json ends = device.value("disconnects", json::array());
  if (!ends.empty()) state.last_end = ends.front().at("reason").get<std::string>();
  const json& connection = device.at("connection");
  if (!connection.is_object()) return state;
  state.connected_at = dp;
  state.subscribed = connection.at("subscribed").get<bool>();
  state.is_agent = connection.at("agent").is_string();
  return state;
}

struct Known {
  json device;
  std::string dp;
};

// Of the push server that it is connected to, else of the first that knows it.
Result<std::optional<Known>> find_device(const DeviceId& id, const SiteFile& file,
                                         const std::vector<std::string>& dps,
                                         const Context& context) {
  std::optional<Known> known;
  for (const std::string& dp : dps) {
    const auto registry = Registry::open(file, dp, context);
    if (!registry) return fail(registry.error());
    if (!registry->may_exist()) continue;  // a question makes no state directory
    auto device = registry->show(id);
    if (!device && device.error().code == ErrorCode::kNotFound) continue;
    if (!device) return fail(device.error());
    const bool connected = device->at("connection").is_object();
    if (!known || connected) known = Known{std::move(*device), dp};
    if (connected) break;
  }
  return known;
}

// The distribution point named; else all whose push server is on, and when none is, all.
Result<std::vector<std::string>> points_to_ask(const SiteFile& file, const std::string& dp) {
  std::vector<std::string> names;
  if (!dp.empty()) {
    const auto chosen = choose_distribution_point(file, dp);
    if (!chosen) return fail(chosen.error());
    names.push_back((*chosen)->name);
    return names;
  }
  for (const bool enabled : {true, false}) {
    for (const site::DistributionPoint& point : file.site.distribution_points) {
      if (point.push_server.enabled == enabled) names.push_back(point.name);
    }
    if (!names.empty()) break;
  }
  return names;
}

}  // namespace

policy::ServerState find_server(const SiteFile& file, const site::DistributionPoint& dp) {
  policy::ServerState state{.dp = dp.name};
  const auto api = api_client(dp, site::server_paths(dp, file.folder()));
  const auto answer =
      api ? api->get("/v1/server", kServerTimeout) : Result<json>(fail(api.error()));
  if (!answer) {
    if (answer.error().code != ErrorCode::kUnreachable) state.problem = answer.error().message;
    return state;
  }
  if (const auto name = answer->value("name", ""); name != dp.name) {
    state.problem = fmt::format("the push server of '{}' answers at its admin API's address", name);
    return state;
  }
  state.running = true;
  state.draining = answer->value("draining", false);
  state.connected = answer->value("connected", std::uint64_t{0});
  state.same_configuration = runs_the_files(*api, file);
  return state;
}

Result<ExaminedDevice> examine_device(const DeviceId& id, const SiteFile& file,
                                      const std::string& dp, const Context& context) {
  const auto dps = points_to_ask(file, dp);
  if (!dps) return fail(dps.error());
  const auto known = find_device(id, file, *dps, context);
  if (!known) return fail(known.error());
  std::vector<policy::ServerState> servers;
  for (const site::DistributionPoint& point : file.site.distribution_points) {
    if (point.push_server.enabled) servers.push_back(find_server(file, point));
  }
  policy::DeviceState state;
  Subject subject;
  if (known->has_value()) {
    subject = subject_of((*known)->device);
    state = state_from((*known)->device, subject, (*known)->dp);
  } else {
    state.facts.id = id.str();
  }
  return ExaminedDevice{subject.group,
                        policy::diagnose(file.site, state, servers, context.clock.wall())};
}

}  // namespace kscpush::cli

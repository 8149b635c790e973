#include "cli/device/registry.hpp"

#include "cli/support/api_client.hpp"
#include "server/admin/json.hpp"
#include "server/enrolment.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kTimeout{15'000};
constexpr std::chrono::milliseconds kImportTimeout{60'000};  // of one part
constexpr std::size_t kPage = 1000;
// Of one request: below what the admin API takes in one body.
constexpr std::size_t kPartDevices = 2000;
constexpr std::size_t kPartBytes = std::size_t{512} << 10U;

json to_json(const server::NewDevice& device) {
  return {{"id", device.id.str()},
          {"group", device.group},
          {"tags", device.tags},
          {"platform", device.platform},
          {"address", device.address}};
}

json to_json(const server::DeviceChange& change) {
  json body = json::object();
  if (change.group) body["group"] = *change.group;
  if (change.tags) body["tags"] = *change.tags;
  if (!change.add_tags.empty()) body["add_tags"] = change.add_tags;
  if (!change.remove_tags.empty()) body["remove_tags"] = change.remove_tags;
  if (change.platform) body["platform"] = *change.platform;
  if (change.address) body["address"] = *change.address;
  if (change.revoked) body["revoked"] = *change.revoked;
  return body;
}

json to_json(const server::DeviceRecord& device) {
  return server::to_json(device, std::nullopt);
}

// As the admin API shows one device.
Result<json> with_history(const server::Store& store, const server::DeviceRecord& device,
                          const Clock& clock) {
  return server::history_of(store, device.id, clock.wall()).map([&](const auto& history) {
    json shown = to_json(device);
    shown.update(server::to_json(history));
    return shown;
  });
}

std::string query_of(const server::DeviceFilter& filter) {
  std::string query = fmt::format("?limit={}", kPage);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, ApiClient::escape(value));
  };
  add("group", filter.group);
  add("tag", filter.tag);
  add("platform", filter.platform);
  if (filter.revoked) add("revoked", *filter.revoked ? "true" : "false");
  return query;
}

// Sends the devices in parts; SENT after each with how many have been by then.
template <class Sent>
Status in_parts(const ApiClient& api, const std::vector<server::NewDevice>& devices, bool dry_run,
                Sent sent) {
  for (std::size_t done = 0; done < devices.size();) {
    json list = json::array();
    std::size_t bytes = 0;
    while (done + list.size() < devices.size() && list.size() < kPartDevices &&
           bytes < kPartBytes) {
      json device = to_json(devices[done + list.size()]);
      bytes += device.dump().size();
      list.push_back(std::move(device));
    }
    const std::size_t count = list.size();
    json body{{"devices", std::move(list)}};
    if (dry_run) body["dry_run"] = true;
    const auto answer = api.post("/v1/devices", body, kImportTimeout);
    if (!answer && done > 0 && !dry_run) {
      return fail({ErrorCode::kPartial,
                   fmt::format("{} of {} devices were added, then: {}", done, devices.size(),
                               answer.error().message),
                   "import again with --skip-bad: what is there already is left as it is"});
    }
    if (!answer) return fail(answer.error());
    done += count;
    sent(done, *answer);
  }
  return {};
}

}  // namespace

Result<Registry> Registry::open(const SiteFile& file, const std::string& dp,
                                const Context& context) {
  const auto chosen = choose_distribution_point(file, dp);
  if (!chosen) return fail(chosen.error());
  return Registry(**chosen, file.folder(), context.clock);
}

Result<std::vector<Registry>> Registry::candidates(const SiteFile& file, const std::string& dp,
                                                   const Context& context) {
  std::vector<Registry> all;
  for (const site::DistributionPoint& point : file.site.distribution_points) {
    if (!dp.empty() || !point.push_server.enabled) continue;
    all.push_back(Registry(point, file.folder(), context.clock));
  }
  if (!all.empty()) return all;
  auto one = open(file, dp, context);
  if (!one) return fail(one.error());
  all.push_back(std::move(*one));
  return all;
}

template <class Value, class ByApi, class ByStore>
Result<Value> Registry::either(ByApi by_api, ByStore by_store) const {
  const auto api = api_client(dp_, paths());
  Result<Value> answer = api ? by_api(*api) : Result<Value>(fail(api.error()));
  if (answer || (api && answer.error().code != ErrorCode::kUnreachable)) return answer;
  auto store = server::Store::open(paths().state_directory, clock_);
  if (store) return by_store(**store);
  if (store.error().code == ErrorCode::kConflict) {
    // A server runs on the directory, and yet its admin API could not be used: that is the news.
    return fail({ErrorCode::kUnreachable,
                 fmt::format("{}, and {}", answer.error().message, store.error().message),
                 "if the push server is starting or stopping, try again; else see "
                 "push_server.admin.listen"});
  }
  // Neither the token nor the store may be read: what asks the server is the way.
  const bool is_denied = !api && store.error().code == ErrorCode::kDenied;
  return fail(is_denied ? api.error() : store.error());
}

Result<json> Registry::add(const server::NewDevice& device) const {
  return either<json>(
      [&](const ApiClient& api) { return api.post("/v1/devices", to_json(device), kTimeout); },
      [&](server::Store& store) -> Result<json> {
        if (auto added = store.add_device(device); !added) return fail(added.error());
        return store.find_device(device.id).map([](const auto& added) { return to_json(*added); });
      });
}

Result<json> Registry::show(const DeviceId& id) const {
  return either<json>([&](const ApiClient& api) { return api.get("/v1/devices/" + id.str()); },
                      [&](server::Store& store) -> Result<json> {
                        const auto device = store.find_device(id);
                        if (!device) return fail(device.error());
                        if (device->has_value()) return with_history(store, **device, clock_);
                        return fail(server::unknown_device(id));
                      });
}

Result<json> Registry::change(const DeviceId& id, const server::DeviceChange& change,
                              bool sync) const {
  return either<json>(
      [&](const ApiClient& api) {
        json body = to_json(change);
        body["sync"] = sync;
        return api.patch("/v1/devices/" + id.str(), body);
      },
      [&](server::Store& store) -> Result<json> {
        return store.change_device(id, change).map([](const auto& device) {
          return to_json(device);
        });
      });
}

Status Registry::remove(const DeviceId& id) const {
  const auto removed =
      either<json>([&](const ApiClient& api) { return api.remove("/v1/devices/" + id.str()); },
                   [&](server::Store& store) -> Result<json> {
                     return store.remove_device(id).map([] { return json(); });
                   });
  if (!removed) return fail(removed.error());
  return {};
}

Result<json> Registry::enroll(const DeviceId& id) const {
  return either<json>(
      [&](const ApiClient& api) {
        return api.post(fmt::format("/v1/devices/{}/certificate", id.str()), json::object(),
                        kTimeout);
      },
      [&](server::Store& store) -> Result<json> {
        const auto enrolment = server::enroll(store, paths(), id, clock_);
        if (!enrolment) return fail(enrolment.error());
        const auto noted = store.change_device(id, enrolment->change());
        if (!noted) return fail(noted.error());
        return server::to_json(id, *enrolment);
      });
}

Result<json> Registry::issue_token(const DeviceId& id, std::chrono::seconds ttl) const {
  return either<json>(
      [&](const ApiClient& api) {
        return api.post(fmt::format("/v1/devices/{}/token", id.str()), {{"ttl", ttl.count()}},
                        kTimeout);
      },
      [&](server::Store& store) -> Result<json> {
        const auto issued = server::issue_token(paths(), id, ttl, clock_);
        if (!issued) return fail(issued.error());
        if (auto added = store.add_token(issued->noted); !added) return fail(added.error());
        return server::to_json(*issued);
      });
}

Status Registry::list(const server::DeviceFilter& filter, const Page& page) const {
  const auto by_api = [&](const ApiClient& api) -> Result<bool> {
    std::string after;
    do {
      const auto answer = api.get(fmt::format("/v1/devices{}&after={}", query_of(filter), after));
      if (!answer) return fail(answer.error());
      page(answer->at("devices"));
      after = answer->at("next").is_string() ? answer->at("next").get<std::string>() : "";
    } while (!after.empty());
    return true;
  };
  const auto by_store = [&](server::Store& store) -> Result<bool> {
    std::string after;
    do {
      const auto found = store.list_devices(filter, after, kPage);
      if (!found) return fail(found.error());
      json devices = json::array();
      for (const auto& device : found->devices) devices.push_back(to_json(device));
      page(devices);
      after = found->next;
    } while (!after.empty());
    return true;
  };
  const auto listed = either<bool>(by_api, by_store);
  if (!listed) return fail(listed.error());
  return {};
}

Result<server::DeviceCounts> Registry::counts() const {
  return either<server::DeviceCounts>(
      [](const ApiClient& api) -> Result<server::DeviceCounts> {
        const auto answer = api.get("/v1/groups");
        if (!answer) return fail(answer.error());
        server::DeviceCounts counts;
        for (const json& row : answer->at("groups")) {
          counts[row.at("group").get<std::string>()] = row.at("devices").get<std::uint64_t>();
        }
        return counts;
      },
      [](server::Store& store) { return store.count_by_group(); });
}

Result<std::vector<std::string>> Registry::existing(
    const std::vector<server::NewDevice>& devices) const {
  return either<std::vector<std::string>>(
      [&](const ApiClient& api) -> Result<std::vector<std::string>> {
        std::vector<std::string> all;
        const auto asked =
            in_parts(api, devices, /*dry_run=*/true, [&](std::size_t, const json& answer) {
              for (const json& id : answer.at("existing")) all.push_back(id);
            });
        if (!asked) return fail(asked.error());
        return all;
      },
      [&](server::Store& store) { return server::existing_devices(store, devices); });
}

Status Registry::import(const std::vector<server::NewDevice>& devices,
                        const Progress& progress) const {
  const auto imported = either<bool>(
      [&](const ApiClient& api) -> Result<bool> {
        return in_parts(api, devices, /*dry_run=*/false,
                        [&](std::size_t done, const json&) { progress(done); })
            .map([] { return true; });
      },
      [&](server::Store& store) -> Result<bool> {
        return store.add_devices(devices).map([] { return true; });
      });
  if (!imported) return fail(imported.error());
  return {};
}

bool Registry::may_exist() const {
  std::error_code error;
  const bool exists = std::filesystem::exists(paths().state_directory / "store.db", error);
  return exists || error;  // who may not look is told so by the question
}

std::optional<server::DeviceCounts> known_counts(const SiteFile& file, const std::string& dp,
                                                 const Context& context) {
  const auto registries = Registry::candidates(file, dp, context);
  if (!registries) return std::nullopt;
  std::optional<server::DeviceCounts> most;
  for (const Registry& registry : *registries) {
    if (!registry.may_exist()) continue;
    const auto counts = registry.counts();
    if (!counts) continue;
    if (!most) most.emplace();
    for (const auto& [group, devices] : *counts) {
      std::uint64_t& known = (*most)[group];
      known = std::max(known, devices);
    }
  }
  return most;
}

}  // namespace kscpush::cli

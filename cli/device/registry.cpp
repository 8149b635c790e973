#include "cli/device/registry.hpp"

#include "cli/support/api_client.hpp"
#include "core/diagnostic.hpp"
#include "server/admin/json.hpp"
#include "server/enrolment.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kTimeout{15'000};

}  // namespace

Result<Registry> Registry::open(const std::string& dp, const Context& context) {
  auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto chosen = choose_distribution_point(*file, dp);
  if (!chosen) return fail(chosen.error());
  std::string name = (*chosen)->name;
  return Registry(std::move(*file), std::move(name), context.clock);
}

const site::DistributionPoint& Registry::dp() const {
  return *file_.site.find_distribution_point(dp_);
}

template <class ByApi, class ByStore>
Result<json> Registry::either(ByApi by_api, ByStore by_store) const {
  const auto paths = site::server_paths(dp(), file_.folder());
  const auto api = api_client(dp(), paths);
  Result<json> answer = api ? by_api(*api) : Result<json>(fail(api.error()));
  if (answer || (api && answer.error().code != ErrorCode::kUnreachable)) return answer;
  auto store = server::Store::open(paths.state_directory, clock_);
  if (store) return by_store(**store, paths);
  if (store.error().code == ErrorCode::kConflict) {
    // A server runs on the directory, and yet its admin API could not be used: that is the news.
    return fail({ErrorCode::kUnreachable,
                 fmt::format("{}, and {}", answer.error().message, store.error().message),
                 "if the push server is starting or stopping, try again; else see "
                 "push_server.admin.listen"});
  }
  return fail(store.error());
}

Result<json> Registry::add(const DeviceId& id, const std::string& group) const {
  if (!file_.site.has_group(group)) {
    std::vector<std::string> groups{std::string(site::kRootGroup)};
    for (const site::Group& known : file_.site.groups) groups.push_back(known.path);
    return fail({ErrorCode::kNotFound,
                 fmt::format("no group '{}'{}", group, suggestion(group, groups)),
                 fmt::format("groups: {}", fmt::join(groups, ", "))});
  }
  return either(
      [&](const ApiClient& api) {
        return api.post("/v1/devices", {{"id", id.str()}, {"group", group}}, kTimeout);
      },
      [&](server::Store& store, const site::ServerPaths&) -> Result<json> {
        if (auto added = store.add_device(id, group); !added) return fail(added.error());
        return store.find_device(id).map(
            [](const auto& device) { return server::to_json(*device, std::nullopt); });
      });
}

Result<json> Registry::list() const {
  return either(
      [](const ApiClient& api) -> Result<json> {
        json all = json::array();
        std::string after;
        do {
          auto page = api.get("/v1/devices?after=" + after);
          if (!page) return page;
          for (json& device : page->at("devices")) all.push_back(std::move(device));
          after = page->at("next").is_string() ? page->at("next").get<std::string>() : "";
        } while (!after.empty());
        return all;
      },
      [](server::Store& store, const site::ServerPaths&) -> Result<json> {
        const auto devices = store.list_devices();
        if (!devices) return fail(devices.error());
        json all = json::array();
        for (const auto& device : *devices) all.push_back(server::to_json(device, std::nullopt));
        return all;
      });
}

Result<json> Registry::show(const DeviceId& id) const {
  return either([&](const ApiClient& api) { return api.get("/v1/devices/" + id.str()); },
                [&](server::Store& store, const site::ServerPaths&) -> Result<json> {
                  const auto device = store.find_device(id);
                  if (!device) return fail(device.error());
                  if (device->has_value()) return server::to_json(**device, std::nullopt);
                  return fail({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
                               "'kscpush device list' lists the devices"});
                });
}

Result<json> Registry::enroll(const DeviceId& id) const {
  return either(
      [&](const ApiClient& api) {
        return api.post(fmt::format("/v1/devices/{}/certificate", id.str()), json::object(),
                        kTimeout);
      },
      [&](server::Store& store, const site::ServerPaths& paths) -> Result<json> {
        const auto enrolment = server::enroll(store, paths, id, clock_);
        if (!enrolment) return fail(enrolment.error());
        return json{{"id", id.str()},
                    {"certificate", enrolment->device.certificate},
                    {"key", enrolment->device.key.str()},
                    {"authority", enrolment->authority},
                    {"not_after", to_rfc3339(enrolment->not_after)}};
      });
}

}  // namespace kscpush::cli

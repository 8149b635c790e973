// The part of the admin API that says which devices do what the configuration wants of them.
#include <asio/post.hpp>

#include "core/push.hpp"
#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/admin/targets.hpp"
#include "server/sync/compliance.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

struct Query {
  Targets targets;
  std::optional<Compliance> state;
  std::string after;
  std::size_t limit = 0;
};

// The targets as a request's body has them: all, unless the query says which.
Result<Targets> targets_of(std::string_view query, const site::Site& site) {
  json body = json::object();
  for (const char* name : {"group", "select"}) {
    if (auto value = query_parameter(query, name); !value.empty()) body[name] = std::move(value);
  }
  if (std::string ids = query_parameter(query, "devices"); !ids.empty()) {
    json& list = body["devices"] = json::array();
    for (std::size_t at = 0; at <= ids.size();) {
      const std::size_t end = std::min(ids.find(',', at), ids.size());
      list.push_back(ids.substr(at, end - at));
      at = end + 1;
    }
  }
  if (body.empty()) body["all"] = true;
  return read_targets(body, site);
}

Result<Query> read_query(std::string_view text, const site::Site& site) {
  auto targets = targets_of(text, site);
  if (!targets) return fail(targets.error());
  const auto limit = page_limit(text);
  if (!limit) return fail(limit.error());
  Query query{std::move(*targets), std::nullopt, query_parameter(text, "after"), *limit};
  const std::string state = query_parameter(text, "state");
  query.state = compliance_from_name(state);
  if (state.empty() || query.state) return query;
  return fail_field("state", "state must be in_sync, pending, failed or offline, not '{}'",
                    state.substr(0, 40));
}

// The devices of a page and, in the same order, the policies that they should have.
struct Page {
  std::vector<DeviceRecord> devices;
  std::vector<std::shared_ptr<const policy::EffectivePolicy>> desired;
  std::string next;
};

Result<Page> listed(const Store& store, const std::vector<DeviceId>& ids) {
  Page page;
  for (const DeviceId& id : ids) {
    auto found = store.find_device(id);
    if (!found) return fail(found.error());
    if (!found->has_value()) return fail(unknown_device(id));
    page.devices.push_back(std::move(**found));
  }
  return page;
}

Result<Page> page_of(const Store& store, const Query& query, const site::DistributionPoint& dp) {
  if (query.targets.listed()) return listed(store, query.targets.devices);
  const DeviceFilter filter{.group = query.targets.group, .revoked = false};
  auto devices = store.list_devices(filter, query.after, query.limit);
  if (!devices) return fail(devices.error());
  Page page{std::move(devices->devices), {}, std::move(devices->next)};
  std::erase_if(page.devices, [&](const DeviceRecord& device) {
    const auto facts = facts_of(device);
    return !site::in_scope(dp, facts.whereabouts()) ||
           (query.targets.select && !query.targets.select->holds(facts));
  });
  return page;
}

json row_of(const DeviceRecord& device, const std::string& desired, bool connected,
            Compliance state) {
  const std::optional<ReportedPolicy>& reported = device.policy;
  return {{"id", device.id.str()},
          {"group", device.group},
          {"state", to_string(state)},
          {"desired", desired},
          {"reported", reported ? json(reported->revision) : json()},
          {"result", reported ? json(reported->result) : json()},
          {"since", reported ? json(to_rfc3339(reported->since)) : json()},
          {"resync_required", resync_or_null(device)},
          {"connected", connected},
          {"last_seen", device.last_seen ? json(to_rfc3339(*device.last_seen)) : json()}};
}

json describe(const Page& page, const std::vector<std::optional<DeviceView>>& views,
              std::optional<Compliance> wanted, WallTime now) {
  std::array<std::uint64_t, kCompliances> counts{};
  json rows = json::array();
  for (std::size_t i = 0; i < page.devices.size(); ++i) {
    const bool connected = views[i].has_value();
    const Compliance state = compliance_of(*page.desired[i], page.devices[i], connected, now);
    ++counts.at(static_cast<std::size_t>(state));
    if (wanted && *wanted != state) continue;
    rows.push_back(row_of(page.devices[i], page.desired[i]->revision, connected, state));
  }
  json counted = json::object();
  for (std::size_t i = 0; i < kCompliances; ++i) {
    counted[to_string(static_cast<Compliance>(i))] = counts.at(i);
  }
  return {{"devices", std::move(rows)},
          {"counts", std::move(counted)},
          {"next", page.next.empty() ? json() : json(page.next)}};
}

}  // namespace

PolicyBook& AdminApi::policy_book() {
  auto running = keeper_.running();
  if (running != booked_) {
    book_ =
        std::make_unique<PolicyBook>(std::shared_ptr<const site::Site>(running, &running->site));
    booked_ = std::move(running);
  }
  return *book_;
}

void AdminApi::list_compliance(const Call& call) {
  auto query = read_query(call.request.query, keeper_.running()->site);
  if (!query) return call.answer(query.error());
  asio::post(background_, [this, query = std::move(*query), answer = call.later()] {
    auto found = page_of(server_.store(), query, server_.config()->dp);
    if (!found) return answer(found.error());
    const auto page = std::make_shared<Page>(std::move(*found));
    std::vector<DeviceId> ids;
    for (const DeviceRecord& device : page->devices) {
      page->desired.push_back(policy_book().policy(device));
      ids.push_back(device.id);
    }
    server_.views(std::move(ids), [this, page, wanted = query.state,
                                   answer](const std::vector<std::optional<DeviceView>>& views) {
      asio::post(background_, [this, page, wanted, answer, views] {
        answer(200, describe(*page, views, wanted, server_.clock().wall()));
      });
    });
  });
}

}  // namespace kscpush::server

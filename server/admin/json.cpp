#include "server/admin/json.hpp"

namespace kscpush::server {
namespace {

using nlohmann::json;

json time_or_null(const std::optional<WallTime>& time) {
  return time ? json(to_rfc3339(*time)) : json();
}

json ms_or_null(const std::optional<Duration>& duration) {
  if (!duration) return {};
  return std::chrono::duration<double, std::milli>(*duration).count();
}

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

json parsed_or_null(const std::string& text) {
  return text.empty() ? json() : json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

json resync_or_null(const DeviceRecord& device) {
  if (!device.resync) return {};
  return {{"since", to_rfc3339(device.resync->since)},
          {"reason", to_string(device.resync->reason)}};
}

json to_json(const DeviceRecord& device, const std::optional<DeviceView>& view) {
  json result{{"id", device.id.str()},
              {"group", device.group},
              {"tags", device.tags},
              {"platform", text_or_null(device.platform)},
              {"address", text_or_null(device.address)},
              {"revoked", device.revoked},
              {"enrolled", !device.fingerprint.empty()},
              {"certificate_ends", time_or_null(device.certificate_ends)},
              {"added", to_rfc3339(device.added)},
              {"last_seen", time_or_null(device.last_seen)},
              {"local_settings", json::object()},
              {"policy", nullptr},
              {"resync_required", resync_or_null(device)},
              {"connection", nullptr}};
  if (!device.local_settings.empty()) {
    result["local_settings"] = parsed_or_null(device.local_settings);
  }
  if (device.policy) {
    result["policy"] = {{"revision", device.policy->revision},
                        {"result", device.policy->result},
                        {"since", to_rfc3339(device.policy->since)}};
  }
  if (view) {
    result["connection"] = {{"since", to_rfc3339(view->connected_since)},
                            {"address", view->address},
                            {"protocol", view->protocol},
                            {"agent", text_or_null(view->agent)},
                            {"subscribed", view->subscribed},
                            {"in_flight", view->in_flight}};
  }
  return result;
}

json to_json(const DeviceCounts& counts) {
  json list = json::array();
  for (const auto& [group, devices] : counts) {
    list.push_back({{"group", group}, {"devices", devices}});
  }
  return list;
}

json to_json(const DeviceId& id, const Enrolment& enrolment) {
  return {{"id", id.str()},
          {"certificate", enrolment.device.certificate},
          {"key", enrolment.device.key.str()},
          {"authority", enrolment.authority},
          {"not_after", to_rfc3339(enrolment.not_after)}};
}

json to_json(const IssuedToken& issued) {
  return {{"id", issued.noted.device.str()},
          {"token", to_text(issued.token).str()},
          {"expires", to_rfc3339(issued.noted.expires)}};
}

Result<DeviceHistory> history_of(const Store& store, const DeviceId& id, WallTime now) {
  auto pending = store.pending(id, now, 0, DeviceHistory::kMostShown);
  if (!pending) return fail(pending.error());
  const auto count = store.count_pending(id, now);
  if (!count) return fail(count.error());
  auto ends = store.disconnects(id);
  if (!ends) return fail(ends.error());
  return DeviceHistory{*count, std::move(*pending), std::move(*ends)};
}

json to_json(const DeviceHistory& history) {
  json queue = json::array();
  for (const PushRecord& push : history.pending) queue.push_back(to_json(push));
  json ends = json::array();
  for (const Disconnect& end : history.disconnects) {
    ends.push_back({{"at", to_rfc3339(end.at)}, {"reason", mqtt::to_string(end.reason)}});
  }
  return {{"queue", {{"pending", history.pending_count}, {"pushes", std::move(queue)}}},
          {"disconnects", std::move(ends)}};
}

json to_json(const PushPage& page) {
  json list = json::array();
  for (const PushRecord& push : page.pushes) list.push_back(to_json(push));
  return {{"pushes", std::move(list)}, {"next", page.next == 0 ? json() : json(page.next)}};
}

// Member by member: it is what each push is answered with, and a list of pairs would make an array
// of each of them, and copy that.
json to_json(const PushRecord& push) {
  json times = json::object();
  for (std::size_t i = 0; i < kPushStates; ++i) {
    if (push.reached[i]) {
      times[std::string(to_string(static_cast<PushState>(i)))] = to_rfc3339(*push.reached[i]);
    }
  }
  json result = json::object();
  result["id"] = push.id.str();
  result["device"] = push.device.str();
  result["kind"] = push.kind;
  result["params"] = parsed_or_null(push.params);
  result["collapse_key"] = text_or_null(push.collapse_key);
  result["state"] = to_string(push.state);
  result["attempts"] = push.attempts;
  result["reason"] = text_or_null(push.reason);
  result["result"] = parsed_or_null(push.result);
  result["expires"] = to_rfc3339(push.expires);
  result["times"] = std::move(times);
  return result;
}

json to_json(const ProbeReport& report) {
  return {{"puback_ms", ms_or_null(report.puback)}, {"agent_ms", ms_or_null(report.answer)}};
}

json to_json(const PingReport& report) {
  json result = to_json(report.probe);
  result["connected_since"] = to_rfc3339(report.device.connected_since);
  result["address"] = report.device.address;
  result["protocol"] = report.device.protocol;
  result["agent"] = text_or_null(report.device.agent);
  return result;
}

json to_json(const RolloutProgress& progress) {
  const RolloutRecord& rollout = progress.rollout;
  json counts = json::object();
  for (std::size_t i = 0; i < kPushStates; ++i) {
    if (progress.counts.at(i) > 0) counts[to_string(PushState(i))] = progress.counts.at(i);
  }
  const std::optional<std::int64_t>& may = rollout.order.max_failures;
  return {{"id", rollout.order.id.str()},
          {"kind", rollout.order.kind},
          {"state", to_string(rollout.state)},
          {"reason", text_or_null(rollout.reason)},
          {"asked", parsed_or_null(rollout.order.targets)},
          {"targets", rollout.total},
          {"pushed", rollout.next - rollout.refused},
          {"refused", rollout.refused},
          {"rate", rollout.order.rate > 0 ? json(rollout.order.rate) : json()},
          {"max_failures", may ? json(*may) : json()},
          {"canary", rollout.order.canary},
          {"created", to_rfc3339(rollout.created)},
          {"ended", rollout.ended ? json(to_rfc3339(*rollout.ended)) : json()},
          {"failed", failures(progress)},
          {"counts", std::move(counts)}};
}

}  // namespace kscpush::server

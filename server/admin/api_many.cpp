// The part of the admin API that reaches many devices at once.
#include <asio/post.hpp>

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/admin/targets.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

std::vector<std::string> with_targets(std::vector<std::string> fields) {
  fields.insert(fields.end(), Targets::fields().begin(), Targets::fields().end());
  return fields;
}

}  // namespace

// One that is not connected may not exist.
Error AdminApi::why(const DeviceId& id, const Error& error) const {
  if (error.code != ErrorCode::kOffline) return error;
  const auto known = server_.registered(id);
  return known ? error : known.error();
}

void AdminApi::ping_all(const Call& call) {
  const auto body = body_object(call.request, with_targets({"timeout_ms"}));
  if (!body) return call.answer(body.error());
  const auto timeout = timeout_field(*body);
  if (!timeout) return call.answer(timeout.error());
  auto targets = read_targets(*body, keeper_.running()->site);
  if (!targets) return call.answer(targets.error());
  asio::post(background_, [this, targets = std::move(*targets), timeout = *timeout,
                           answer = call.later()] {
    auto devices = resolve(targets, server_.store(), server_.config()->dp, Targets::kMostListed);
    if (!devices) return answer(devices.error());
    const auto ids = std::make_shared<const std::vector<DeviceId>>(std::move(*devices));
    server_.ping_all(*ids, timeout, [this, ids, answer](Result<ProbeReports> done) {
      if (!done) return answer(done.error());
      asio::post(background_, [this, ids, answer, reports = std::move(*done)] {
        answer(200, describe_pings(*ids, reports));
      });
    });
  });
}

json AdminApi::describe_pings(const std::vector<DeviceId>& ids, const ProbeReports& reports) const {
  json answered = json::array();
  json failed = json::array();
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const auto& report = reports[i];
    json row = report ? to_json(*report) : to_json(why(ids[i], report.error()));
    row["device"] = ids[i].str();
    (report ? answered : failed).push_back(std::move(row));
  }
  return {{"answered", std::move(answered)}, {"failed", std::move(failed)}};
}

}  // namespace kscpush::server

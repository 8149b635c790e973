// The part of the admin API that reaches many devices at once.
#include <asio/post.hpp>

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::size_t kMostDevices = 10'000;  // in one request

Result<std::vector<DeviceId>> read_devices(const json& body) {
  const auto texts = texts_field(body, "devices");
  if (!texts) return fail(texts.error());
  if (!texts->has_value() || (*texts)->empty() || (*texts)->size() > kMostDevices) {
    return fail(ErrorCode::kUsage, "'devices' must be a list of 1 to {} device ids", kMostDevices);
  }
  std::vector<DeviceId> devices;
  devices.reserve((*texts)->size());
  for (const std::string& text : **texts) {
    auto id = DeviceId::parse(text);
    if (!id) return fail(within(fmt::format("devices[{}]", devices.size()), id.error()));
    devices.push_back(std::move(*id));
  }
  return devices;
}

}  // namespace

// One that is not connected may not exist.
Error AdminApi::why(const DeviceId& id, const Error& error) {
  if (error.code != ErrorCode::kOffline) return error;
  const auto known = server_.registered(id);
  return known ? error : known.error();
}

void AdminApi::ping_all(const Call& call) {
  const auto body = body_object(call.request, {"devices", "timeout_ms"});
  if (!body) return call.answer(body.error());
  const auto timeout = timeout_field(*body);
  if (!timeout) return call.answer(timeout.error());
  auto devices = read_devices(*body);
  if (!devices) return call.answer(devices.error());
  const auto ids = std::make_shared<const std::vector<DeviceId>>(std::move(*devices));
  server_.ping_all(*ids, *timeout, [this, ids, answer = call.later()](Result<ProbeReports> done) {
    if (!done) return answer(done.error());
    asio::post(background_, [this, ids, answer, reports = std::move(*done)] {
      json answered = json::array();
      json failed = json::array();
      for (std::size_t i = 0; i < reports.size(); ++i) {
        const DeviceId& id = (*ids)[i];
        json row = reports[i] ? to_json(*reports[i]) : to_json(why(id, reports[i].error()));
        row["device"] = id.str();
        (reports[i] ? answered : failed).push_back(std::move(row));
      }
      answer(200, {{"answered", std::move(answered)}, {"failed", std::move(failed)}});
    });
  });
}

}  // namespace kscpush::server

// The part of the admin API that opens tunnels and looks at them.
#include <algorithm>

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/tunnel/tunnels.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

json to_json(const TunnelView& tunnel) {
  const TunnelRecord& record = tunnel.record;
  json result{{"id", record.id.str()},
              {"device", record.device.str()},
              {"host", record.host},
              {"port", record.port.value()},
              {"state", to_string(tunnel.state)},
              {"opened_by", record.opened_by},
              {"opened", to_rfc3339(record.opened)},
              {"ended", nullptr},
              {"reason", nullptr},
              {"to_device", tunnel.to_device},
              {"from_device", tunnel.from_device}};
  if (record.end) {
    result["ended"] = to_rfc3339(record.end->at);
    result["reason"] = record.end->reason;
  }
  return result;
}

// From 1 to MOST; nothing when it is not there.
Result<std::int64_t> bounded(const json& body, const char* name, std::int64_t otherwise,
                             std::int64_t most) {
  const auto number = number_field(body, name);
  if (!number) return fail(number.error());
  if (!*number) return otherwise;
  if (**number >= 1 && **number <= most) return **number;
  return fail_field(name, "'{}' must be from 1 to {}", name, most);
}

Result<std::string> read_host(const json& body) {
  auto host = text_field(body, "host");
  if (!host) return fail(host.error());
  const std::string text = host->value_or("");
  const bool visible = std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!text.empty() && text.size() <= TunnelOrder::kLongestHost && visible) return text;
  return fail_field("host", "'host' must be a name or an address, as the device knows it");
}

Result<TunnelOrder> read_order(const json& body, const DeviceId& device) {
  auto host = read_host(body);
  if (!host) return fail(host.error());
  const auto number = number_field(body, "port");
  if (!number) return fail(number.error());
  const auto port = Port::from(number->value_or(0));
  if (!port) return fail_field("port", "{}", port.error().message);
  constexpr std::int64_t kMostSeconds = std::chrono::seconds(TunnelOrder::kLongestLife).count();
  const auto idle = bounded(body, "idle_s", TunnelOrder::kIdle.count(), kMostSeconds);
  if (!idle) return fail(idle.error());
  const auto lifetime = bounded(body, "lifetime_s", TunnelOrder::kLifetime.count(), kMostSeconds);
  if (!lifetime) return fail(lifetime.error());
  constexpr auto kMostBytes = static_cast<std::int64_t>(TunnelOrder::kMostBytes);
  const auto bytes = bounded(body, "max_bytes", kMostBytes, kMostBytes);
  if (!bytes) return fail(bytes.error());
  return TunnelOrder{.device = device,
                     .host = std::move(*host),
                     .port = *port,
                     .idle = std::chrono::seconds(*idle),
                     .lifetime = std::chrono::seconds(*lifetime),
                     .most_bytes = static_cast<std::uint64_t>(*bytes)};
}

Error stopping() {
  return {ErrorCode::kUnreachable, "the push server is stopping", "try again when it is back"};
}

}  // namespace

void AdminApi::open_tunnel(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  const auto body =
      body_object(call.request, {"host", "port", "idle_s", "lifetime_s", "max_bytes"});
  if (!body) return call.answer(body.error());
  auto order = read_order(*body, device->id);
  if (!order) return call.answer(order.error());
  order->opened_by = fmt::format("{} at {}", to_string(call.role),
                                 call.request.remote.empty() ? "?" : call.request.remote);
  const bool begun = server_.with_tunnels([&](Tunnels& tunnels) {
    tunnels.open(std::move(*order),
                 [this, answer = call.later()](const Result<OpenedTunnel>& opened) {
                   if (!opened) return answer(opened.error());
                   const site::DistributionPoint& dp = server_.config()->dp;
                   answer(201, json{{"id", opened->record.id.str()},
                                    {"token", opened->token.str()},
                                    {"address", dp.address},
                                    {"port", dp.push_server.port.value()},
                                    {"expires", to_rfc3339(opened->expires)}});
                 });
  });
  if (!begun) call.answer(stopping());
}

void AdminApi::list_tunnels(const Call& call) {
  const std::string_view query = call.request.query;
  const std::string ended = query_parameter(query, "ended");
  if (!ended.empty() && ended != "true" && ended != "false") {
    return call.answer(fail_field("ended", "ended must be true or false").value());
  }
  const auto limit = page_limit(query);
  if (!limit) return call.answer(limit.error());
  const auto after = page_after(query);
  if (!after) return call.answer(after.error());
  if (ended == "true") {
    const auto page = server_.store().list_ended_tunnels(*after, *limit);
    if (!page) return call.answer(page.error());
    json list = json::array();
    for (const TunnelRecord& record : *page) list.push_back(to_json(ended_view(record)));
    json next;
    if (page->size() == *limit) next = page->back().number;
    return call.answer(200, {{"tunnels", std::move(list)}, {"next", std::move(next)}});
  }
  // All that there are fit into one page.
  const bool begun = server_.with_tunnels([&](Tunnels& tunnels) {
    tunnels.list([answer = call.later()](const std::vector<TunnelView>& all) {
      json list = json::array();
      for (const TunnelView& tunnel : all) list.push_back(to_json(tunnel));
      answer(200, {{"tunnels", std::move(list)}, {"next", nullptr}});
    });
  });
  if (!begun) call.answer(stopping());
}

void AdminApi::show_tunnel(const Call& call) {
  const auto id = Ulid::parse(call.id, "tunnel");
  if (!id) return call.answer(id.error());
  const bool begun = server_.with_tunnels([&](Tunnels& tunnels) {
    tunnels.find(*id, [answer = call.later()](const Result<TunnelView>& tunnel) {
      if (!tunnel) return answer(tunnel.error());
      answer(200, to_json(*tunnel));
    });
  });
  if (!begun) call.answer(stopping());
}

void AdminApi::close_tunnel(const Call& call) {
  const auto id = Ulid::parse(call.id, "tunnel");
  if (!id) return call.answer(id.error());
  const bool begun = server_.with_tunnels([&](Tunnels& tunnels) {
    tunnels.close(*id, fmt::format("closed by {}", to_string(call.role)),
                  [answer = call.later()](const Result<TunnelView>& tunnel) {
                    if (!tunnel) return answer(tunnel.error());
                    answer(200, to_json(*tunnel));
                  });
  });
  if (!begun) call.answer(stopping());
}

}  // namespace kscpush::server

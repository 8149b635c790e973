// The part of the admin API that tells what happens, and what the API is.
#include <algorithm>

#include "server/admin/call.hpp"
#include "server/admin/openapi.hpp"

namespace kscpush::server {
namespace {

// What would never come is not to be waited for. Devices may be in a group that is not declared
// any more.
Status check_subject(const EventFilter& filter, const PushServer& server, const site::Site& site) {
  if (!filter.device.empty()) {
    const auto known = server.registered(*DeviceId::parse(filter.device));
    if (!known) return fail(known.error());
  }
  if (filter.group.empty()) return {};
  auto declared = check_group(site, filter.group);
  if (declared) return {};
  const auto counts = server.store().count_by_group();
  if (!counts) return fail(counts.error());
  const bool has_devices = std::ranges::any_of(
      *counts, [&](const auto& count) { return site::within_group(count.first, filter.group); });
  return has_devices ? Status() : declared;
}

}  // namespace

void AdminApi::events(const Call& call) {
  const std::string_view query = call.request.query;
  auto filter = EventFilter::parse(query_parameter(query, "type"), query_parameter(query, "device"),
                                   query_parameter(query, "group"));
  if (!filter) return call.answer(filter.error());
  if (auto known = check_subject(*filter, server_, keeper_.running()->site); !known) {
    return call.answer(known.error());
  }
  auto response = feed_.listen(std::move(*filter), call.request.last_event_id);
  if (!response) return call.answer(response.error());
  call.answer(std::move(*response));
}

void AdminApi::openapi(const Call& call) {
  call.answer({200, "application/json", std::string(openapi_document())});
}

}  // namespace kscpush::server

// The part of the admin API that tells what happens, and what the API is.
#include "server/admin/call.hpp"
#include "server/admin/openapi.hpp"

namespace kscpush::server {

void AdminApi::events(const Call& call) {
  const std::string_view query = call.request.query;
  auto filter = EventFilter::parse(query_parameter(query, "type"), query_parameter(query, "device"),
                                   query_parameter(query, "group"));
  if (!filter) return call.answer(filter.error());
  auto response = feed_.listen(std::move(*filter), call.request.last_event_id);
  if (!response) return call.answer(response.error());
  call.answer(std::move(*response));
}

void AdminApi::openapi(const Call& call) {
  call.answer({200, "application/json", std::string(openapi_document())});
}

}  // namespace kscpush::server

// The description of the admin API against its table of routes. That answers are as it says is
// acceptance/test_openapi.py's.
#include "server/admin/openapi.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "core/error_table.hpp"
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

json document() {
  return json::parse(server::openapi_document());
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

TEST_CASE("openapi: every route is described, and nothing else is") {
  std::set<std::string> routes;
  for (const auto& [method, pattern] : AdminApi::route_names()) {
    routes.insert(fmt::format("{} {}", lower(method), pattern));
  }
  std::set<std::string> described;
  const json all = document();
  for (const auto& [path, item] : all["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method != "parameters") described.insert(fmt::format("{} {}", method, path));
    }
  }
  CHECK(described == routes);
}

TEST_CASE("openapi: its lists are those of the program") {
  const json schemas = document()["components"]["schemas"];
  json states = json::array();
  for (std::size_t i = 0; i < kPushStates; ++i) states.push_back(to_string(PushState(i)));
  CHECK(schemas["PushState"]["enum"] == states);
  CHECK(schemas["Kind"]["enum"] == json(requestable_kinds()));
  std::set<std::string> codes;
  for (const ErrorRow& row : kErrorTable) {
    if (row.http_status != 0) codes.emplace(row.name);
  }
  CHECK(schemas["Error"]["properties"]["code"]["enum"].get<std::set<std::string>>() == codes);
  const json push = schemas["NewPush"]["properties"];
  CHECK(push["ttl"]["maximum"] == kMaxTtl.count());
  CHECK(push["collapse_key"]["maxLength"] == server::PushRequest::kLongestCollapseKey);
  CHECK(schemas["DeviceDetail"]["properties"]["disconnects"]["maxItems"] ==
        server::kKeptDisconnects);
}

TEST_CASE("openapi: served as it is") {
  const Api api;
  const auto response = api.ask("GET", "/v1/openapi.json");
  CHECK(response.status == 200);
  CHECK(response.body == server::openapi_document());
}

}  // namespace kscpush::test

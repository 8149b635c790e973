// What the tests of the admin API share: a push server that runs, and its API as a function from
// request to response.
#pragma once

#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "server/admin/api.hpp"
#include "server/admin/json.hpp"
#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {

using nlohmann::json;
using server::AdminApi;
using server::HttpRequest;
using server::HttpResponse;

inline constexpr const char* kOperator = "the-token-of-the-operator-here";
inline constexpr const char* kViewer = "the-token-of-a-viewer-just-looking";

using Headers = std::vector<std::pair<std::string, std::string>>;

inline site::Site make_site() {
  site::Site site;
  site.groups.push_back({"Managed devices/Berlin", {}});
  return site;
}

struct Api {
  Api() {
    auto& config = files.config;
    config.dp.push_server.plain_listener = site::ListenAddress{"127.0.0.1", free_port()};
    config.paths.operator_token = write("operator", kOperator);
    config.paths.viewer_token = write("viewer", kViewer);
    // Tests ask again and again until something has happened.
    config.dp.push_server.admin.requests_per_second = 1'000'000;
    start();
    token = files.admin_token;
  }
  void start() {
    const auto& config = files.config;
    server = files.start();
    keeper = std::make_unique<server::SiteKeeper>(*server, server::RunningSite{{}, {}, make_site()},
                                                  files.folder.path(), silent_log());
    api = std::make_unique<AdminApi>(*server, *keeper,
                                     server::Authenticator::load(config.paths).value());
  }
  // In the order of 'serve': the API goes when no shard can call it any more.
  ~Api() { server->stop(); }
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;
  // On the same state directory.
  void restart() {
    server->stop();
    api.reset();
    keeper.reset();
    server.reset();
    start();
  }
  [[nodiscard]] std::filesystem::path write(const std::string& name,
                                            const std::string& text) const {
    auto path = files.folder / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }

  // PATH may have a query.
  // CHANGE: of the request, before it is made.
  std::future<HttpResponse> begin(const std::string& method, const std::string& path,
                                  const std::string& body = "",
                                  const std::function<void(HttpRequest&)>& change = nullptr) const {
    auto promise = std::make_shared<std::promise<HttpResponse>>();
    const std::size_t mark = path.find('?');
    HttpRequest request{method, path.substr(0, mark),
                        mark == std::string::npos ? "" : path.substr(mark + 1),
                        token.empty() ? "" : "Bearer " + token, body};
    if (change) change(request);
    api->handle(request,
                [promise](HttpResponse response) { promise->set_value(std::move(response)); });
    return promise->get_future();
  }
  HttpResponse ask(const std::string& method, const std::string& path,
                   const std::string& body = "") const {
    return wait(begin(method, path, body));
  }
  static HttpResponse wait(std::future<HttpResponse> future) {
    if (future.wait_for(kPatience) != std::future_status::ready) {
      throw std::runtime_error("no response");
    }
    return future.get();
  }
  json get(const std::string& path) const {
    const auto response = ask("GET", path);
    REQUIRE(response.status == 200);
    CHECK(response.content_type == "application/json");
    return json::parse(response.body);
  }
  [[nodiscard]] Port plain_port() const { return files.config.dp.push_server.plain_listener->port; }

  TestSite files;
  std::unique_ptr<server::PushServer> server;
  std::unique_ptr<server::SiteKeeper> keeper;
  std::unique_ptr<AdminApi> api;
  std::string token;
};

inline json error_of(const HttpResponse& response, int status) {
  CHECK(response.status == status);
  json body = json::parse(response.body);
  CHECK(body.contains("code"));
  CHECK_FALSE(body["message"].get<std::string>().empty());
  CHECK(body.contains("hint"));
  return body;
}

}  // namespace kscpush::test

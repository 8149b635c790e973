// The admin API: what an operator can ask of a running push server, as HTTP and JSON.
//
//   GET    /healthz  /readyz  /metrics            no token
//   GET    /v1/server                             viewer
//   POST   /v1/server/drain                       operator   {"seconds"}; DELETE takes it back
//   GET    /v1/devices[?after=ID&limit=N&...]     viewer     also group, tag, platform, revoked
//   GET    /v1/devices/{id}                       viewer
//   POST   /v1/devices                            admin      {"id", "group", "tags", ...}, or
//                                                            {"devices": [...], "dry_run"}
//   PATCH  /v1/devices/{id}                       admin      {"group", "tags", "revoked", "sync",
//                                                            ...}
//   DELETE /v1/devices/{id}                       admin
//   POST   /v1/devices/{id}/certificate           admin
//   POST   /v1/devices/{id}/token                 admin      {"ttl"}, for an enrolment
//   POST   /v1/devices/{id}/ping                  operator   {"timeout_ms"}
//   POST   /v1/ping                               operator   {"timeout_ms"} and which devices
//   POST   /v1/devices/{id}/pushes                operator   {"kind", "params", "ttl", ...}
//   GET    /v1/compliance[?after=ID&limit=N&...]  viewer     also group, select, devices, state
//   GET    /v1/events                             viewer     also type, device, group
//   GET    /v1/groups                             viewer     how many devices each has
//   GET    /v1/openapi.json                       viewer     docs/openapi.json
//   POST   /v1/pushes                             operator   the same, which devices, "rate", ...
//   GET    /v1/pushes[?after=N&limit=N&...]       viewer     also device, state, kind, rollout
//   GET    /v1/pushes/{id}[?wait=S&timeout=N]     viewer
//   DELETE /v1/pushes/{id}                        operator   cancels it
//   GET    /v1/rollouts[?after=N&limit=N]         viewer
//   GET    /v1/rollouts/{id}                      viewer
//   DELETE /v1/rollouts/{id}                      operator   cancels it
//   POST   /v1/devices/{id}/tunnels               operator   {"host", "port", ...}
//   GET    /v1/tunnels[?ended=true&after=N&...]   viewer
//   GET    /v1/tunnels/{id}                       viewer
//   DELETE /v1/tunnels/{id}                       operator   closes it
//   GET    /v1/site                               viewer     the configuration that runs
//   PUT    /v1/site                               admin      {"files": [...], "comment", "sync",
//                                                            "rate", "max_failures", "canary"}
//   POST   /v1/site/plan                          viewer     the same: what it would change
//   GET    /v1/site/revisions[?before=N&limit=N]  viewer     all that ran, newest first
//   GET    /v1/site/revisions/{id}                viewer
//   POST   /v1/site/revisions/{id}/plan           viewer     what going back to it would change
//   POST   /v1/site/revisions/{id}/rollback       admin      {"comment", "sync", ...}
//
// Errors are {"code", "message", "hint", "field"}; the HTTP status comes from core/error_table.hpp.
#pragma once

#include <memory>
#include <mutex>

#include <asio/thread_pool.hpp>
#include <nlohmann/json.hpp>

#include "server/admin/auth.hpp"
#include "server/admin/event_feed.hpp"
#include "server/admin/http_server.hpp"
#include "server/admin/rate_limiter.hpp"
#include "server/metrics.hpp"
#include "server/push_server.hpp"
#include "server/site_keeper.hpp"
#include "server/sync/policy_book.hpp"

namespace kscpush::server {

class Answer;

class AdminApi {
 public:
  AdminApi(PushServer& server, SiteKeeper& keeper, Authenticator authenticator)
      : server_(server),
        keeper_(keeper),
        authenticator_(std::make_shared<const Authenticator>(std::move(authenticator))),
        feed_(server) {}

  // An HttpHandler. Thread safe.
  void handle(const HttpRequest& request, const HttpRespond& respond);
  // Other tokens from now on. Thread safe.
  void use(Authenticator authenticator);
  // For the HTTP server that calls handle(), to count in.
  [[nodiscard]] const std::shared_ptr<HttpUsage>& http_usage() const { return http_usage_; }
  // Ends the streams, and what is done in the background. Before the HTTP server goes.
  void stop() {
    feed_.stop();
    background_.join();
  }

  using RouteName = std::pair<std::string_view, std::string_view>;  // method, pattern
  [[nodiscard]] static std::vector<RouteName> route_names();

  struct Call;   // a request whose route is known
  struct Route;  // a row of the table of routes

 private:
  void health(const Call& call);
  void readiness(const Call& call);
  void metrics(const Call& call);
  void server_status(const Call& call);
  void drain(const Call& call);
  void stop_draining(const Call& call);
  void list_devices(const Call& call);
  void list_groups(const Call& call);
  void list_compliance(const Call& call);
  void add_device(const Call& call);
  void add_devices(const Call& call, const nlohmann::json& list, bool dry_run);
  void show_device(const Call& call);
  void change_device(const Call& call);
  void remove_device(const Call& call);
  void certificate(const Call& call);
  void token(const Call& call);
  void ping(const Call& call);
  void ping_all(const Call& call);
  void push(const Call& call);
  void push_all(const Call& call);
  void list_rollouts(const Call& call);
  void show_rollout(const Call& call);
  void cancel_rollout(const Call& call);
  void list_pushes(const Call& call);
  void show_push(const Call& call);
  void cancel_push(const Call& call);
  void open_tunnel(const Call& call);
  void list_tunnels(const Call& call);
  void show_tunnel(const Call& call);
  void close_tunnel(const Call& call);
  void events(const Call& call);
  void openapi(const Call& call);
  void show_site(const Call& call);
  void apply_site(const Call& call);
  void plan_site(const Call& call);
  void list_revisions(const Call& call);
  void show_revision(const Call& call);
  void plan_rollback(const Call& call);
  void roll_back(const Call& call);

  [[nodiscard]] nlohmann::json status() const;
  // Of the configuration that runs. On background_.
  [[nodiscard]] PolicyBook& policy_book();
  void synchronize(const ChangedDevice& changed, const Answer& answer);
  void answer_changed(const DeviceRecord& device, const nlohmann::json& sync, const Answer& answer);
  void submit_files(const Call& call, bool trial);
  void submit_revision(const Call& call, bool trial);
  [[nodiscard]] std::shared_ptr<const Authenticator> authenticator() const;

  static const std::vector<Route>& routes();
  void handle(const Route& route, Call& call);
  // True: it has been answered, as this client asks for too much.
  bool refuse_too_many(Role role, const Call& call);
  [[nodiscard]] AdminFigures figures() const;
  // The device of the path, known or not; when that is no identifier it has been answered.
  [[nodiscard]] std::optional<DeviceId> require_id(const Call& call);
  // The registered device of the path; when there is none that has been answered.
  [[nodiscard]] std::optional<DeviceRecord> require_device(const Call& call);
  void roll_out(std::vector<DeviceId> ids, const PushRequest& request,
                const RolloutOptions& options, const Answer& answer);
  [[nodiscard]] Error why(const DeviceId& id, const Error& error) const;
  [[nodiscard]] nlohmann::json describe_pings(const std::vector<DeviceId>& ids,
                                              const ProbeReports& reports) const;

  PushServer& server_;
  SiteKeeper& keeper_;
  // Of the configuration that ran when compliance was asked for last; background_'s.
  std::shared_ptr<const RunningSite> booked_;
  std::unique_ptr<PolicyBook> book_;
  // For what takes long, so that neither the HTTP thread nor a shard waits for it.
  asio::thread_pool background_{1};
  mutable std::mutex mutex_;
  std::shared_ptr<const Authenticator> authenticator_;  // under mutex_
  RateLimiter limiter_;
  const std::shared_ptr<HttpUsage> http_usage_ = std::make_shared<HttpUsage>();
  EventFeed feed_;
};

}  // namespace kscpush::server

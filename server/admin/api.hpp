// The admin API: what an operator can ask of a running push server, as HTTP and JSON.
//
//   GET    /healthz  /readyz  /metrics            no token
//   GET    /v1/server                             viewer
//   GET    /v1/devices[?after=ID&limit=N]         viewer
//   GET    /v1/devices/{id}                       viewer
//   POST   /v1/devices                            admin      {"id", "group"}
//   POST   /v1/devices/{id}/certificate           admin
//   POST   /v1/devices/{id}/ping                  operator   {"timeout_ms"}
//   POST   /v1/devices/{id}/pushes                operator   {"kind", "params", "ttl"}
//   GET    /v1/pushes/{id}                        viewer
//
// Errors are {"code", "message", "hint"}; the HTTP status comes from core/error_table.hpp.
#pragma once

#include <memory>

#include "server/admin/auth.hpp"
#include "server/admin/http_server.hpp"
#include "server/push_server.hpp"

namespace kscpush::server {

class AdminApi {
 public:
  AdminApi(PushServer& server, site::Site site, Authenticator authenticator)
      : server_(server), site_(std::move(site)), authenticator_(std::move(authenticator)) {}

  // An HttpHandler. Thread safe.
  void handle(const HttpRequest& request, const HttpRespond& respond);

  struct Call;   // a request whose route is known
  struct Route;  // a row of the table of routes

 private:
  void health(const Call& call);
  void readiness(const Call& call);
  void metrics(const Call& call);
  void server_status(const Call& call);
  void list_devices(const Call& call);
  void add_device(const Call& call);
  void show_device(const Call& call);
  void certificate(const Call& call);
  void ping(const Call& call);
  void push(const Call& call);
  void show_push(const Call& call);

  static const std::vector<Route>& routes();

  PushServer& server_;
  const site::Site site_;
  const Authenticator authenticator_;
};

}  // namespace kscpush::server

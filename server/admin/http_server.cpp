#include "server/admin/http_server.hpp"

#include <array>

#include <restinio/all.hpp>

#include "server/admin/json.hpp"

namespace kscpush::server {
namespace {

struct Traits : restinio::default_traits_t {
  using request_handler_t =
      std::function<restinio::request_handling_status_t(restinio::request_handle_t)>;
  static constexpr bool use_connection_count_limiter = true;
};

HttpRequest to_request(const restinio::request_handle_t& handle) {
  const auto& header = handle->header();
  return HttpRequest{std::string(header.method().c_str()), std::string(header.path()),
                     std::string(header.query()),
                     header.get_field_or(restinio::http_field::authorization, ""), handle->body()};
}

constexpr std::array<std::pair<int, const char*>, 16> kReasons{{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {207, "Multi-Status"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
}};

// RFC 9110, section 15.
const char* reason_phrase(int status) {
  for (const auto& [code, phrase] : kReasons) {
    if (code == status) return phrase;
  }
  return "Internal Server Error";
}

HttpRespond responder(restinio::request_handle_t handle) {
  return [handle = std::move(handle)](HttpResponse response) {
    auto builder = handle->create_response(restinio::http_status_line_t(
        restinio::http_status_code_t(static_cast<std::uint16_t>(response.status)),
        reason_phrase(response.status)));
    for (const auto& [name, value] : response.headers) builder.append_header(name, value);
    builder.append_header(restinio::http_field::content_type, response.content_type)
        .append_header(restinio::http_field::cache_control, "no-store")
        .append_header_date_field()
        .set_body(std::move(response.body))
        .done();
  };
}

class RestinioServer final : public HttpServer {
 public:
  RestinioServer(const site::ListenAddress& listen, HttpHandler handler, const HttpLimits& limits) {
    auto on_request = [handler = std::move(handler)](restinio::request_handle_t handle) {
      HttpRequest request = to_request(handle);
      handler(std::move(request), responder(std::move(handle)));
      return restinio::request_accepted();
    };
    server_ = restinio::run_async<Traits>(
        restinio::own_io_context(),
        restinio::server_settings_t<Traits>()
            .address(listen.host)
            .port(listen.port.value())
            .request_handler(std::move(on_request))
            .read_next_http_message_timelimit(limits.read_timeout)
            .handle_request_timeout(limits.answer_timeout)
            .max_parallel_connections(limits.connections)
            .incoming_http_msg_limits(restinio::incoming_http_msg_limits_t()
                                          .max_url_size(4096)
                                          .max_field_name_size(256)
                                          .max_field_value_size(8192)
                                          .max_field_count(64)
                                          .max_body_size(limits.body_bytes)),
        1);
  }

 private:
  restinio::running_server_handle_t<Traits> server_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const site::ListenAddress& listen,
                                                      HttpHandler handler, HttpLimits limits) {
  const std::string where = fmt::format("{}:{}", listen.host, listen.port.value());
  try {
    std::unique_ptr<HttpServer> server =
        std::make_unique<RestinioServer>(listen, std::move(handler), limits);
    return server;
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    const bool taken = reason.find("in use") != std::string::npos;
    return fail({taken ? ErrorCode::kConflict : ErrorCode::kFailed,
                 fmt::format("the admin API cannot listen on {}: {}", where, reason),
                 taken ? "another program uses the port, maybe another push server: set "
                         "push_server.admin.listen to a free one"
                       : "push_server.admin.listen must be an address of this machine"});
  }
}

}  // namespace kscpush::server

// HTTP for the admin API, on its own thread: RESTinio, kept behind this header, as one file that
// includes it costs 16 s to compile.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "core/site/model.hpp"

namespace kscpush::server {

struct HttpRequest {
  std::string method;         // "GET"
  std::string path;           // still percent-encoded, without the query
  std::string query;          // still percent-encoded
  std::string authorization;  // the header's value
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};  // further ones
};

// May be called from any thread, once.
using HttpRespond = std::function<void(HttpResponse)>;
// Runs on the HTTP thread and must not block.
using HttpHandler = std::function<void(HttpRequest, HttpRespond)>;

struct HttpLimits {
  // RESTinio closes a connection without a word at this limit, so that the handler's own, which
  // answer 413, are lower: what is beyond it is hardly an honest request. Together with the next it
  // bounds the memory.
  std::size_t body_bytes = 16 << 20;
  std::size_t connections = 128;
  std::chrono::seconds read_timeout{15};
  std::chrono::seconds answer_timeout{75};  // longer than the longest ping
};

class HttpServer {
 public:
  // kConflict when the port is taken.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const site::ListenAddress& listen,
                                                                 HttpHandler handler,
                                                                 HttpLimits limits = {});
  virtual ~HttpServer() = default;  // stops: open requests are dropped
};

}  // namespace kscpush::server

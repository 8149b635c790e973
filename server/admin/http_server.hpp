// HTTP for the admin API, on its own thread: RESTinio, kept behind this header, as one file that
// includes it costs 16 s to compile.
#pragma once

#include <atomic>
#include <chrono>
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
  std::string idempotency_key{};  // likewise; empty: none
  std::string last_event_id{};
  std::string remote{};  // the client's address, without its port
};

// An answer that goes on until one side ends it. Thread safe.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // CALL runs on the HTTP thread when bytes were taken, or the client is gone. Before the first
  // send.
  virtual void on_progress(std::function<void()> call) = 0;
  virtual void send(std::string text) = 0;
  virtual void end() = 0;                                // after what was sent
  [[nodiscard]] virtual std::size_t unsent() const = 0;  // bytes that were not taken yet
  [[nodiscard]] virtual bool gone() const = 0;           // the client; nothing is sent any more
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};  // further ones
  std::function<void(std::shared_ptr<HttpStream>)> stream{};   // gets the rest, instead of a body
};

// May be called from any thread, once.
using HttpRespond = std::function<void(HttpResponse)>;
// Runs on the HTTP thread and must not block.
using HttpHandler = std::function<void(HttpRequest, HttpRespond)>;

struct HttpLimits {
  // RESTinio closes a connection without a word at this limit, so that the handler's own, which
  // answer 413, are lower: what is beyond it is hardly an honest request.
  std::size_t body_bytes = 16 << 20;
  // Of all requests together that have no answer yet; one that goes beyond it is closed likewise,
  // but for its first FREE_REQUEST_BYTES: who holds the others off cannot keep out one that is
  // small.
  std::size_t all_requests_bytes = std::size_t{256} << 20U;
  std::size_t free_request_bytes = std::size_t{16} << 10U;
  // Room for all that may wait for a push (PushWaits::kMost), and for those who want no more than
  // an answer.
  std::size_t connections = 10'500;
  // From the first byte of a request, or the end of the answer before, to its last byte.
  std::chrono::milliseconds read_timeout{15'000};
  // Longer than the longest ping or wait; and than a stream is ever silent.
  std::chrono::milliseconds answer_timeout{75'000};
  std::chrono::milliseconds write_timeout{
      15'000};  // for a client to take an answer, or a part of it
};

// For those who watch the bounds. Thread safe.
struct HttpUsage {
  std::atomic<std::size_t> request_bytes{0};       // read, of requests that have no answer yet
  std::atomic<std::uint64_t> requests_dropped{0};  // beyond HttpLimits::all_requests_bytes
};

class HttpServer {
 public:
  // kConflict when the port is taken.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(
      const site::ListenAddress& listen, HttpHandler handler, HttpLimits limits = {},
      std::shared_ptr<HttpUsage> usage = std::make_shared<HttpUsage>());
  virtual ~HttpServer() = default;  // stops: open requests are dropped
};

}  // namespace kscpush::server

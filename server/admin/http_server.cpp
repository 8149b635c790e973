#include "server/admin/http_server.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_set>

#include <restinio/all.hpp>

#include "server/admin/json.hpp"
#include "server/admin/metered_socket.hpp"

namespace kscpush::server {
namespace {

struct Traits : restinio::default_traits_t {
  using request_handler_t =
      std::function<restinio::request_handling_status_t(restinio::request_handle_t)>;
  using stream_socket_t = MeteredSocket;
  static constexpr bool use_connection_count_limiter = true;
};

HttpRequest to_request(const restinio::request_handle_t& handle) {
  const auto& header = handle->header();
  return HttpRequest{std::string(header.method().c_str()),
                     std::string(header.path()),
                     std::string(header.query()),
                     header.get_field_or(restinio::http_field::authorization, ""),
                     handle->body(),
                     header.get_field_or("Idempotency-Key", ""),
                     header.get_field_or("Last-Event-ID", ""),
                     handle->remote_endpoint().address().to_string()};
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

using ChunkedBuilder = restinio::response_builder_t<restinio::chunked_output_t>;

class RestinioStream final : public HttpStream,
                             public std::enable_shared_from_this<RestinioStream> {
 public:
  explicit RestinioStream(ChunkedBuilder builder) : builder_(std::move(builder)) {}

  void on_progress(std::function<void()> call) override { progress_ = std::move(call); }

  void send(std::string text) override {
    const std::scoped_lock lock(mutex_);
    if (ended_ || gone_) return;
    const std::size_t bytes = text.size();
    unsent_ += bytes;
    builder_.append_chunk(std::move(text));
    builder_.flush([self = shared_from_this(), bytes](const asio::error_code& error) {
      if (error) self->gone_ = true;
      self->unsent_ -= bytes;  // after it: who sees room must see that nobody is there
      if (self->progress_) self->progress_();
    });
  }

  void end() override {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    builder_.done();
  }

  [[nodiscard]] std::size_t unsent() const override { return unsent_; }
  [[nodiscard]] bool gone() const override { return gone_; }

 private:
  std::mutex mutex_;
  ChunkedBuilder builder_;  // under mutex_
  bool ended_ = false;      // under mutex_
  std::atomic<std::size_t> unsent_{0};
  std::atomic<bool> gone_{false};
  std::function<void()> progress_;  // constant once something was sent
};

template <class Builder>
void set_headers(Builder& builder, const HttpResponse& response) {
  for (const auto& [name, value] : response.headers) builder.append_header(name, value);
  builder.append_header(restinio::http_field::content_type, response.content_type)
      .append_header(restinio::http_field::cache_control, "no-store")
      .append_header_date_field();
}

void send(const restinio::request_handle_t& handle, HttpResponse response) {
  const restinio::http_status_line_t status(
      restinio::http_status_code_t(static_cast<std::uint16_t>(response.status)),
      reason_phrase(response.status));
  if (response.stream) {
    auto builder = handle->create_response<restinio::chunked_output_t>(status);
    set_headers(builder, response);
    response.stream(std::make_shared<RestinioStream>(std::move(builder)));
    return;
  }
  auto builder = handle->create_response(status);
  set_headers(builder, response);
  builder.set_body(std::move(response.body)).done();
}

// Requests that are being answered, and the answers of other threads on their way to the HTTP
// thread, which is woken once for all that come meanwhile: a commit answers many at a time.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  explicit Outbox(asio::io_context& loop) : loop_(loop) {}

  // A request, for as long as somebody may answer it, or until close().
  class Open {
   public:
    Open(std::shared_ptr<Outbox> outbox, restinio::request_handle_t handle)
        : outbox_(std::move(outbox)), handle_(std::move(handle)) {
      const std::scoped_lock lock(outbox_->mutex_);
      outbox_->open_.insert(this);
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    // Under the lock, as a request that goes needs its loop.
    ~Open() {
      const std::scoped_lock lock(outbox_->mutex_);
      outbox_->open_.erase(this);
      handle_.reset();
    }
    // Thread safe.
    void answer(HttpResponse response) { outbox_->put(handle_, std::move(response)); }

   private:
    friend class Outbox;
    const std::shared_ptr<Outbox> outbox_;
    restinio::request_handle_t handle_;  // under the outbox's mutex_; null: closed
  };

  // Before the loop goes. Nothing is sent any more, and whoever comes with an answer holds nothing
  // of the loop's.
  void close() {
    const std::scoped_lock lock(mutex_);
    waiting_.clear();
    for (Open* const request : open_) request->handle_.reset();
  }

 private:
  using Answer = std::pair<restinio::request_handle_t, HttpResponse>;

  void put(restinio::request_handle_t& handle, HttpResponse response) {
    const std::scoped_lock lock(mutex_);
    if (handle == nullptr) return;
    waiting_.emplace_back(std::move(handle), std::move(response));
    if (waiting_.size() == 1) asio::post(loop_, [self = shared_from_this()] { self->send_all(); });
  }

  void send_all() {
    std::vector<Answer> answers;
    {
      const std::scoped_lock lock(mutex_);
      answers.swap(waiting_);
    }
    for (auto& [handle, response] : answers) server::send(handle, std::move(response));
  }

  asio::io_context& loop_;
  std::mutex mutex_;
  std::vector<Answer> waiting_;     // under mutex_
  std::unordered_set<Open*> open_;  // under mutex_
};

class RestinioServer final : public HttpServer {
 public:
  RestinioServer(const site::ListenAddress& listen, HttpHandler handler, const HttpLimits& limits,
                 std::shared_ptr<HttpUsage> usage) {
    asio::make_service<RequestMeter>(loop_, limits, std::move(usage));
    auto on_request = [handler = std::move(handler),
                       outbox = outbox_](const restinio::request_handle_t& handle) {
      const auto open = std::make_shared<Outbox::Open>(outbox, handle);
      handler(to_request(handle),
              [open](HttpResponse response) { open->answer(std::move(response)); });
      return restinio::request_accepted();
    };
    server_ = restinio::run_async<Traits>(
        restinio::external_io_context(loop_),
        restinio::server_settings_t<Traits>()
            .address(listen.host)
            .port(listen.port.value())
            .request_handler(std::move(on_request))
            .read_next_http_message_timelimit(limits.read_timeout)
            .handle_request_timeout(limits.answer_timeout)
            .write_http_response_timelimit(limits.write_timeout)
            .max_parallel_connections(limits.connections)
            .incoming_http_msg_limits(restinio::incoming_http_msg_limits_t()
                                          .max_url_size(4096)
                                          .max_field_name_size(256)
                                          .max_field_value_size(8192)
                                          .max_field_count(64)
                                          .max_body_size(limits.body_bytes)),
        1);
  }

  RestinioServer(const RestinioServer&) = delete;
  RestinioServer& operator=(const RestinioServer&) = delete;
  ~RestinioServer() override {
    server_.reset();
    outbox_->close();
  }

 private:
  asio::io_context loop_{1};
  std::shared_ptr<Outbox> outbox_ = std::make_shared<Outbox>(loop_);
  restinio::running_server_handle_t<Traits> server_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const site::ListenAddress& listen,
                                                      HttpHandler handler, HttpLimits limits,
                                                      std::shared_ptr<HttpUsage> usage) {
  const std::string where = fmt::format("{}:{}", listen.host, listen.port.value());
  try {
    std::unique_ptr<HttpServer> server =
        std::make_unique<RestinioServer>(listen, std::move(handler), limits, std::move(usage));
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

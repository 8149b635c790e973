// A TCP socket for RESTinio that counts what is read of requests that have no answer yet. RESTinio
// bounds each of them, and how many there are, but not all of them together.
#pragma once

#include <asio/associated_executor.hpp>
#include <asio/bind_executor.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "server/admin/http_server.hpp"

namespace kscpush::server {

// One of a loop, which its sockets find there. Thread safe.
class RequestMeter final : public asio::execution_context::service {
 public:
  using key_type = RequestMeter;
  static inline asio::execution_context::id id;

  // asio's use_service() demands it; make_service() with the other comes first.
  explicit RequestMeter(asio::execution_context& loop) : service(loop) {}
  RequestMeter(asio::execution_context& loop, const HttpLimits& limits,
               std::shared_ptr<HttpUsage> usage)
      : service(loop),
        most_(limits.all_requests_bytes),
        free_(limits.free_request_bytes),
        usage_(std::move(usage)) {}

  // OF_IT bytes of a request have been read, BYTES of them now; whether it may go on.
  [[nodiscard]] bool take(std::size_t bytes, std::size_t of_it) {
    const std::size_t all = usage_->request_bytes.fetch_add(bytes) + bytes;
    if (all <= most_ || of_it <= free_) return true;
    ++usage_->requests_dropped;
    return false;
  }
  void give_back(std::size_t bytes) { usage_->request_bytes -= bytes; }

 private:
  void shutdown() override {}

  std::size_t most_ = 0;
  std::size_t free_ = 0;
  std::shared_ptr<HttpUsage> usage_ = std::make_shared<HttpUsage>();
};

// One operation of each kind at a time, on the loop's thread.
class MeteredSocket : public asio::ip::tcp::socket {
 public:
  explicit MeteredSocket(asio::io_context& loop)
      : asio::ip::tcp::socket(loop), meter_(&asio::use_service<RequestMeter>(loop)) {}
  MeteredSocket(MeteredSocket&& other) noexcept
      : asio::ip::tcp::socket(std::move(other)),
        meter_(other.meter_),
        held_(std::exchange(other.held_, 0)) {}
  MeteredSocket(const MeteredSocket&) = delete;
  MeteredSocket& operator=(const MeteredSocket&) = delete;
  MeteredSocket& operator=(MeteredSocket&&) = delete;
  ~MeteredSocket() { answered(); }

  // HANDLER keeps this alive, as RESTinio's does.
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    auto executor = asio::get_associated_executor(handler, get_executor());
    asio::ip::tcp::socket::async_read_some(
        buffers,
        asio::bind_executor(executor, [this, handler = std::forward<Handler>(handler)](
                                          asio::error_code error, std::size_t bytes) mutable {
          held_ += bytes;
          if (!meter_->take(bytes, held_)) error = asio::error::no_buffer_space;
          handler(error, bytes);
        }));
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    answered();
    asio::ip::tcp::socket::async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  void answered() { meter_->give_back(std::exchange(held_, 0)); }

  RequestMeter* meter_;
  std::size_t held_ = 0;  // bytes of the request that is read or handled
};

}  // namespace kscpush::server

// The two kinds of streams that a side of a tunnel has: plain descriptors, and TLS to the push
// server. None blocks. One thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <openssl/ssl.h>

#include "core/descriptor.hpp"
#include "core/io_result.hpp"

namespace kscpush::agent {

// As core/flow.hpp wants sources and sinks.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual IoResult read(std::span<char> into) = 0;
  virtual IoResult write(std::string_view bytes) = 0;
  virtual IoResult shutdown_write() = 0;
  // What follows is no end in good order, of which the peer learns.
  virtual void break_off() = 0;
  [[nodiscard]] virtual std::string last_error() const = 0;
  // READY is called once when it is, or by nobody once the stream has gone.
  virtual void wait_readable(std::function<void()> ready) = 0;
  virtual void wait_writable(std::function<void()> ready) = 0;
};

// A connected socket; or two descriptors, as standard input and output.
class PlainStream final : public Stream {
 public:
  PlainStream(asio::io_context& loop, Descriptor socket);
  // They stay open afterwards and are set back to block, but for OUTPUT, whose end is passed on by
  // closing it.
  PlainStream(asio::io_context& loop, int input, int output);
  ~PlainStream() override;

  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  IoResult shutdown_write() override;
  void break_off() override;
  [[nodiscard]] std::string last_error() const override;
  void wait_readable(std::function<void()> ready) override;
  void wait_writable(std::function<void()> ready) override;

 private:
  using Waiter = asio::posix::stream_descriptor;
  [[nodiscard]] IoResult outcome(IoResult::Kind want);
  void wait(Waiter& waiter, Waiter::wait_type type, std::function<void()> ready);
  [[nodiscard]] int input();  // -1: closed
  [[nodiscard]] int output();

  asio::io_context& loop_;
  Waiter input_;
  std::optional<Waiter> output_;  // nothing: the same as input_
  const bool is_socket_;
  const int given_output_ = -1;
  int input_flags_ = 0;  // before
  int output_flags_ = 0;
  int error_ = 0;
};

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// A client's side. The end of the stream without close_notify is an error.
class TlsStream final : public Stream {
 public:
  // HOST, PROTOCOL: as aim() has them.
  TlsStream(asio::io_context& loop, Descriptor socket, SSL_CTX* context, const std::string& host,
            std::string_view protocol);

  // kBytes: it is made.
  IoResult handshake();
  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  IoResult shutdown_write() override;
  void break_off() override;
  [[nodiscard]] std::string last_error() const override { return error_; }
  void wait_readable(std::function<void()> ready) override;
  void wait_writable(std::function<void()> ready) override;

 private:
  [[nodiscard]] IoResult outcome(int result);

  asio::posix::stream_descriptor socket_;
  std::unique_ptr<SSL, SslFree> ssl_;
  std::string error_;
};

}  // namespace kscpush::agent

#include "agent/tunnels/stream.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include <asio/post.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/tls.hpp"
#include "core/openssl.hpp"

namespace kscpush::agent {
namespace {

// With one system call; without it there are two for each record.
constexpr std::size_t kReadAhead = 64UL * 1024;

void stop_blocking(int descriptor) {
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

void reset_on_close(int descriptor) {
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

// --- Plain

PlainStream::PlainStream(asio::io_context& loop, Descriptor socket)
    : loop_(loop), input_(loop), is_socket_(true) {
  stop_blocking(socket.get());
  input_.assign(socket.release());
}

PlainStream::PlainStream(asio::io_context& loop, int input, int output)
    : loop_(loop), input_(loop), output_(loop), is_socket_(false), given_output_(output) {
  // Copies, as they are closed with the waiters; what is set of one is set of the other. One that
  // is closed fails when it is read or written.
  const int in = ::fcntl(input, F_DUPFD_CLOEXEC, 0);
  const int out = ::fcntl(output, F_DUPFD_CLOEXEC, 0);
  input_flags_ = ::fcntl(in, F_GETFL);
  output_flags_ = ::fcntl(out, F_GETFL);  // of the same file perhaps
  stop_blocking(in);
  stop_blocking(out);
  asio::error_code closed;
  input_.assign(in, closed);
  output_->assign(out, closed);
}

PlainStream::~PlainStream() {
  if (is_socket_) return;
  ::fcntl(input(), F_SETFL, input_flags_);
  ::fcntl(output(), F_SETFL, output_flags_);
}

int PlainStream::input() {
  return input_.is_open() ? input_.native_handle() : -1;
}

int PlainStream::output() {
  if (is_socket_) return input();
  return output_->is_open() ? output_->native_handle() : -1;
}

IoResult PlainStream::outcome(IoResult::Kind want) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {want, 0};
  error_ = errno;
  return {IoResult::Kind::kError, 0};
}

IoResult PlainStream::read(std::span<char> into) {
  const ssize_t n = ::read(input(), into.data(), into.size());
  if (n > 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(n)};
  if (n == 0) return {IoResult::Kind::kEnd, 0};
  return outcome(IoResult::Kind::kWantRead);
}

IoResult PlainStream::write(std::string_view bytes) {
  const ssize_t n = is_socket_ ? ::send(output(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                               : ::write(output(), bytes.data(), bytes.size());
  if (n >= 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(n)};
  return outcome(IoResult::Kind::kWantWrite);
}

IoResult PlainStream::shutdown_write() {
  ::shutdown(output(), SHUT_WR);  // standard output may be a socket too
  if (!is_socket_) {
    // Who reads the other end of a pipe waits until nobody has it any more.
    ::fcntl(output(), F_SETFL, output_flags_);
    asio::error_code ignored;
    output_->close(ignored);
    const Descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    ::dup2(nowhere.get(), given_output_);
  }
  return {IoResult::Kind::kBytes, 0};
}

void PlainStream::break_off() {
  if (is_socket_) reset_on_close(input());
}

std::string PlainStream::last_error() const {
  return error_ == 0 ? std::string() : std::string(std::strerror(error_));
}

void PlainStream::wait(Waiter& waiter, Waiter::wait_type type, std::function<void()> ready) {
  if (!waiter.is_open()) return asio::post(loop_, std::move(ready));
  // Files and some devices cannot be waited for (operation_not_supported): they are always ready.
  waiter.async_wait(type, [ready = std::move(ready)](const asio::error_code& error) {
    if (error != asio::error::operation_aborted) ready();
  });
}

void PlainStream::wait_readable(std::function<void()> ready) {
  wait(input_, Waiter::wait_read, std::move(ready));
}

void PlainStream::wait_writable(std::function<void()> ready) {
  wait(output_ ? *output_ : input_, Waiter::wait_write, std::move(ready));
}

// --- TLS

TlsStream::TlsStream(asio::io_context& loop, Descriptor socket, SSL_CTX* context,
                     const std::string& host, std::string_view protocol)
    : socket_(loop) {
  stop_blocking(socket.get());
  ssl_.reset(SSL_new(context));
  if (!ssl_) throw std::bad_alloc();
  SSL* const ssl = ssl_.get();
  SSL_set_fd(ssl, socket.get());
  SSL_set_connect_state(ssl);
  aim(ssl, host, protocol);
  SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_read_ahead(ssl, 1);
  SSL_set_default_read_buffer_len(ssl, kReadAhead);
  socket_.assign(socket.release());
}

IoResult TlsStream::outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoResult::Kind::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::kEnd, 0};
    case SSL_ERROR_SYSCALL:
      error_ = errno == 0 ? "the connection was cut" : std::strerror(errno);
      return {IoResult::Kind::kError, 0};
    default:
      error_ = openssl::last_reason();
      return {IoResult::Kind::kError, 0};
  }
}

IoResult TlsStream::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? IoResult{IoResult::Kind::kBytes, 0} : outcome(result);
}

IoResult TlsStream::read(std::span<char> into) {
  ERR_clear_error();
  std::size_t n = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &n);
  return result == 1 ? IoResult{IoResult::Kind::kBytes, n} : outcome(result);
}

IoResult TlsStream::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t n = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
  return result == 1 ? IoResult{IoResult::Kind::kBytes, n} : outcome(result);
}

// Not called again once it has said so: that would wait for the peer's own.
IoResult TlsStream::shutdown_write() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  if (result < 0) return outcome(result);
  ::shutdown(socket_.native_handle(), SHUT_WR);
  return {IoResult::Kind::kBytes, 0};
}

void TlsStream::break_off() {
  reset_on_close(socket_.native_handle());
}

void TlsStream::wait_readable(std::function<void()> ready) {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [ready = std::move(ready)](const asio::error_code& error) {
                       if (error != asio::error::operation_aborted) ready();
                     });
}

void TlsStream::wait_writable(std::function<void()> ready) {
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [ready = std::move(ready)](const asio::error_code& error) {
                       if (error != asio::error::operation_aborted) ready();
                     });
}

}  // namespace kscpush::agent

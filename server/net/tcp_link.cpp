#include "server/net/tcp_link.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kscpush::server {
TcpLink::TcpLink(Socket socket) : socket_(std::move(socket)) {
  asio::error_code ignored;  // a peer that is gone already shows itself at the first read
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

IoResult TcpLink::read(std::span<char> into) {
  const ssize_t n = ::recv(descriptor(), into.data(), into.size(), 0);
  if (n > 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(n)};
  if (n == 0) return {IoResult::Kind::kEnd, 0};
  return outcome(errno, IoResult::Kind::kWantRead);
}

IoResult TcpLink::write(std::string_view bytes) {
  const ssize_t n = ::send(descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(n)};
  return outcome(errno, IoResult::Kind::kWantWrite);
}

IoResult TcpLink::outcome(int error, IoResult::Kind want) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return {want, 0};
  error_ = error;
  return {IoResult::Kind::kError, 0};
}

void TcpLink::wait_readable() {
  if (waiting_read_) return;
  waiting_read_ = true;
  wait(Socket::wait_read);
}

void TcpLink::wait_writable() {
  if (waiting_write_) return;
  waiting_write_ = true;
  wait(Socket::wait_write);
}

void TcpLink::wait(Socket::wait_type type) {
  ++waits_;
  socket_.async_wait(type, [this, type](const asio::error_code& error) {
    waited(type, error == asio::error::operation_aborted);
  });
}

void TcpLink::waited(Socket::wait_type type, bool aborted) {
  --waits_;
  (type == Socket::wait_read ? waiting_read_ : waiting_write_) = false;
  if (disposed_) {
    if (waits_ == 0) delete this;
    return;
  }
  if (aborted || owner() == nullptr) return;
  if (type == Socket::wait_read) {
    owner()->on_readable();
  } else {
    owner()->on_writable();
  }
}

void TcpLink::shutdown_write() {
  ::shutdown(descriptor(), SHUT_WR);
}

void TcpLink::detach() {
  asio::error_code error;
  detached_ = socket_.release(error);
}

void TcpLink::attach(void* loop) {
  Socket socket(*static_cast<Loop*>(loop));
  asio::error_code error;
  // The protocol is only asio's note for opening sockets; addresses carry their own family.
  socket.assign(asio::ip::tcp::v4(), detached_, error);
  // Registration fails only when the kernel is out of memory; the next read then reports it.
  if (error) ::close(detached_);
  detached_ = -1;
  socket_ = std::move(socket);
  socket_.non_blocking(true, error);
}

std::string TcpLink::peer_address() const {
  asio::error_code error;
  const auto endpoint = socket_.remote_endpoint(error);
  if (error) return "unknown";
  return fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
}

std::string TcpLink::last_error() const {
  return error_ == 0 ? std::string() : std::string(std::strerror(error_));
}

void TcpLink::dispose() {
  disposed_ = true;
  if (detached_ >= 0) ::close(detached_);
  asio::error_code ignored;
  socket_.close(ignored);
  if (waits_ == 0) delete this;
}

}  // namespace kscpush::server

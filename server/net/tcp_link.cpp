#include "server/net/tcp_link.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace kscpush::server {
TcpLink::TcpLink(Descriptor socket, Loop& loop) : socket_(std::move(socket)) {
  attach(loop);
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
  set_error(error);
  return {IoResult::Kind::kError, 0};
}

void TcpLink::wait_readable() {
  waits_to_read_ = true;
  want(asked_ | EPOLLIN);
}

void TcpLink::wait_writable() {
  waits_to_write_ = true;
  want(asked_ | EPOLLOUT);
}

// What is asked for stays asked for, so that a connection which reads and waits again costs no
// system call; what nobody waits for when it comes is asked for no more.
void TcpLink::want(std::uint32_t events) {
  if (loop_ == nullptr || (watched_ && events == asked_)) return;
  asked_ = static_cast<std::uint8_t>(events);
  if (watched_) {
    loop_->change(descriptor(), *this, asked_);
  } else {
    watched_ = loop_->add(descriptor(), *this, asked_);
  }
}

void TcpLink::on_events(std::uint32_t events) {
  // A fault is neither, and asked for or not it is told until the socket is looked at.
  const bool fault = (events & (EPOLLERR | EPOLLHUP)) != 0;
  // One call only, as it may be the end of this; the other event is told again.
  if (waits_to_write_ && (fault || (events & EPOLLOUT) != 0)) {
    waits_to_write_ = false;
    owner()->on_writable();
  } else if (waits_to_read_ && (fault || (events & EPOLLIN) != 0)) {
    waits_to_read_ = false;
    owner()->on_readable();
  } else if (fault) {
    loop_->remove(descriptor(), *this);
    watched_ = false;
    asked_ = 0;
  } else {
    want((waits_to_read_ ? EPOLLIN : 0U) | (waits_to_write_ ? EPOLLOUT : 0U));
  }
}

IoResult TcpLink::shutdown_write() {
  ::shutdown(descriptor(), SHUT_WR);
  return {IoResult::Kind::kBytes, 0};
}

void TcpLink::detach() {
  if (watched_) loop_->remove(descriptor(), *this);
  loop_ = nullptr;
  watched_ = waits_to_read_ = waits_to_write_ = false;
  asked_ = 0;
}

void TcpLink::attach(Loop& loop) {
  loop_ = &loop;
}

std::string TcpLink::peer_address() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(descriptor(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return "unknown";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(v6.sin6_port));
}

std::string TcpLink::last_error() const {
  return error_ == 0 ? std::string() : std::string(std::strerror(error_));
}

void TcpLink::break_off() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void TcpLink::dispose() {
  detach();
  delete this;
}

}  // namespace kscpush::server

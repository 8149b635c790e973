#include "server/net/listener.hpp"

#include <cerrno>
#include <cstring>

#include <asio/ip/tcp.hpp>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace kscpush::server {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{100};
// So that those who are connected get their turn.
constexpr int kAcceptsPerTurn = 64;

Error listen_error(const std::string& host, Port port, const asio::error_code& error) {
  const std::string message =
      fmt::format("cannot listen on {}:{}: {}", host, port.value(), error.message());
  if (error == asio::error::address_in_use) {
    return Error{ErrorCode::kConflict, message,
                 fmt::format("another program uses the port ('ss -ltnp sport = :{}' shows which); "
                             "stop it or choose another port: kscpush dp set --port PORT",
                             port.value())};
  }
  if (error == asio::error::access_denied) {
    return Error{ErrorCode::kDenied, message, "ports below 1024 need the right to use them"};
  }
  return Error{ErrorCode::kFailed, message,
               "push_server.listen must be an address of this machine"};
}

Result<asio::ip::tcp::endpoint> endpoint_of(const std::string& host, Port port) {
  asio::error_code error;
  const auto address =
      asio::ip::make_address(host == "localhost" ? std::string("127.0.0.1") : host, error);
  if (error) {
    return fail({ErrorCode::kInvalidConfig, fmt::format("'{}' is not an IP address", host),
                 "listen on an address of this machine, or 0.0.0.0 for all"});
  }
  return asio::ip::tcp::endpoint(address, port.value());
}

void set_options(int socket) {
  // Each connection gets it with its socket: what is small goes out at once.
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A connection is accepted when its first bytes are there, or after a second without any. So the
  // loop is told of both at once, and a CONNECT is read before anything waits for more.
  const int seconds = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const std::string& host, Port port,
                                                 ListenerActions actions) {
  const auto endpoint = endpoint_of(host, port);
  if (!endpoint) return fail(endpoint.error());
  auto listener = std::unique_ptr<Listener>(new Listener(loop, std::move(actions)));
  const int family = endpoint->protocol().family();
  listener->socket_ = Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int socket = listener->socket_.get();
  const int on = 1;
  const bool listens =
      socket >= 0 && ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
      ::bind(socket, endpoint->data(), static_cast<socklen_t>(endpoint->size())) == 0 &&
      ::listen(socket, kListenBacklog) == 0;
  if (!listens) {
    return fail(listen_error(host, port, asio::error_code(errno, asio::system_category())));
  }
  set_options(socket);
  return listener;
}

std::unique_ptr<Listener> Listener::adopt(Loop& loop, Descriptor socket, ListenerActions actions) {
  auto listener = std::unique_ptr<Listener>(new Listener(loop, std::move(actions)));
  listener->socket_ = std::move(socket);
  set_options(listener->socket_.get());
  return listener;
}

void Listener::start() {
  started_ = true;
  resume();
}

void Listener::resume() {
  if (started_ && !resting_ && actions_.may_accept()) watch(true);
}

void Listener::watch(bool watched) {
  if (watched == watched_ || !socket_) return;
  watched_ = watched;
  // A socket that was passed to the process is shared by the shards: one of them wakes up.
  if (!watched) {
    loop_.remove(socket_.get(), *this);
  } else if (!loop_.add(socket_.get(), *this, EPOLLIN | EPOLLEXCLUSIVE)) {
    watched_ = false;
    actions_.failed(std::strerror(errno));
  }
}

void Listener::on_events(std::uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!actions_.may_accept()) return watch(false);
    Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      actions_.accepted(std::move(socket));
      continue;
    }
    // A peer that has gone again is nobody's failure.
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == ECONNABORTED || errno == EINTR) continue;
    const std::string reason = std::strerror(errno);
    watch(false);
    resting_ = true;
    actions_.failed(reason);
    retry_.set(kRetryAfter, [this] {
      resting_ = false;
      resume();
    });
    return;
  }
}

void Listener::close() {
  watch(false);
  socket_ = Descriptor();
  retry_.cancel();
}

Status check_port_free(const std::string& host, Port port) {
  const auto endpoint = endpoint_of(host, port);
  if (!endpoint) return fail(endpoint.error());
  asio::io_context loop;
  asio::ip::tcp::acceptor acceptor(loop);
  asio::error_code error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (error) return fail(listen_error(host, port, error));
  return {};
}

}  // namespace kscpush::server

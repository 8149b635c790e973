#include "server/net/listener.hpp"

#include <sys/socket.h>

namespace kscpush::server {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{100};
constexpr int kBacklog = 4096;

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

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const std::string& host, Port port,
                                                 ListenerActions actions) {
  const auto endpoint = endpoint_of(host, port);
  if (!endpoint) return fail(endpoint.error());
  auto listener = std::unique_ptr<Listener>(new Listener(loop, std::move(actions)));
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  asio::error_code error;
  Acceptor& acceptor = listener->acceptor_;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.set_option(ReusePort(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (error) return fail(listen_error(host, port, error));
  return listener;
}

void Listener::resume() {
  if (accepting_ || !acceptor_.is_open() || !actions_.may_accept()) return;
  accept();
}

void Listener::accept() {
  accepting_ = true;
  acceptor_.async_accept([this](const asio::error_code& error, Socket socket) {
    accepting_ = false;
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      actions_.accepted(std::move(socket));
      resume();
      return;
    }
    actions_.failed(error.message());
    retry_.expires_after(kRetryAfter);
    retry_.async_wait([this](const asio::error_code& aborted) {
      if (!aborted) resume();
    });
  });
}

void Listener::close() {
  asio::error_code ignored;
  acceptor_.close(ignored);
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

#include "cli/bench/channel.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>

namespace kscpush::cli::bench {
namespace {

constexpr std::size_t kSourcesPerByte = 250;

// Of the thread's last loss; an errno or OpenSSL's words.
thread_local std::string last_error;

Channel::Io lost(int error) {
  last_error = error == 0 ? "closed by the server" : std::strerror(error);
  return Channel::Io::kLost;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS || error == ENOTCONN;
}

}  // namespace

bool Target::loopback_v4() const {
  if (address.ss_family != AF_INET) return false;
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
}

Result<Target> resolve(const std::string& host, Port port) {
  Target target{fmt::format("{}:{}", host, port.value()), {}, 0};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port.value());
  if (const int code = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found); code != 0) {
    return fail(ErrorCode::kUnreachable, "'{}' has no address: {}", host, ::gai_strerror(code));
  }
  // IPv4 if there is one: what listens on "localhost" here does so on 127.0.0.1.
  const addrinfo* best = found;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET && best->ai_family != AF_INET) best = each;
  }
  std::memcpy(&target.address, best->ai_addr, best->ai_addrlen);
  target.size = best->ai_addrlen;
  ::freeaddrinfo(found);
  return target;
}

in_addr_t loopback_source(std::size_t n) {
  const auto low = static_cast<in_addr_t>(n % kSourcesPerByte + 1);
  const auto middle = static_cast<in_addr_t>(n / kSourcesPerByte % kSourcesPerByte);
  return htonl(in_addr_t{127} << 24U | in_addr_t{1} << 16U | middle << 8U | low);
}

Channel Channel::open(const Target& target, in_addr_t source) {
  Channel channel;
  Descriptor socket(
      ::socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) {
    lost(errno);
    return channel;
  }
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source != 0) {
    // The port is chosen with the connection, so that another connection may have the same one.
    ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = source;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) {
      lost(errno);
      return channel;
    }
  }
  const auto* const address = reinterpret_cast<const sockaddr*>(&target.address);
  if (::connect(socket.get(), address, target.size) != 0 && errno != EINPROGRESS) {
    lost(errno);
    return channel;
  }
  channel.socket_ = std::move(socket);
  return channel;
}

Channel::Io Channel::outcome(int result) {
  const int error = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Io::kWait;
    case SSL_ERROR_ZERO_RETURN:
      return lost(0);
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return lost(error);
    default:
      last_error = "TLS: " + openssl::last_reason();
      return Io::kLost;
  }
}

Channel::Io Channel::handshake() {
  int error = 0;
  socklen_t size = sizeof error;
  if (ssl_ == nullptr || SSL_in_before(ssl_.get()) == 1) {
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lost(error);
  }
  if (ssl_ == nullptr) return Io::kDone;
  if (SSL_get_fd(ssl_.get()) < 0) SSL_set_fd(ssl_.get(), socket_.get());
  ERR_clear_error();
  errno = 0;
  const int result = SSL_connect(ssl_.get());
  return result == 1 ? Io::kDone : outcome(result);
}

Channel::Io Channel::write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
    return result == 1 ? Io::kDone : outcome(result);
  }
  const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n == static_cast<ssize_t>(bytes.size())) return Io::kDone;
  if (n >= 0 || would_block(errno)) return Io::kWait;
  return lost(errno);
}

Channel::Io Channel::read(std::span<char> space, std::size_t& n) {
  n = 0;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(ssl_.get(), space.data(), space.size(), &n);
    return result == 1 ? Io::kDone : outcome(result);
  }
  const ssize_t got = ::recv(socket_.get(), space.data(), space.size(), 0);
  if (got > 0) {
    n = static_cast<std::size_t>(got);
    return Io::kDone;
  }
  if (got < 0 && would_block(errno)) return Io::kWait;
  return lost(got == 0 ? 0 : errno);
}

void Channel::close(bool reset) {
  if (!socket_) return;
  if (reset) {
    const linger now{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    // OpenSSL spoils the session of a connection that ends without close_notify.
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ssl_.reset();
  socket_ = Descriptor();
}

std::string Channel::error() {
  return last_error;
}

}  // namespace kscpush::cli::bench

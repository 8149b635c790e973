#include "tests/support/net/socket_device.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace kscpush::test {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  throw std::runtime_error("device: " + what);
}

}  // namespace

Descriptor connect_to(Port port) {
  Descriptor descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port.value());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{kPatience.count(), 0};
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    give_up("cannot connect");
  }
  return descriptor;
}

void reset_on_close(int descriptor) {
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

SocketDevice::SocketDevice(Port port, ConnectSpec connect_spec)
    : spec(std::move(connect_spec)), socket_(connect_to(port)), reader_(spec.version) {}

SocketDevice::SocketDevice(Port port, ConnectSpec connect_spec, const TestSite& site,
                           const DeviceFiles& files)
    : SocketDevice(port, std::move(connect_spec)) {
  std::signal(SIGPIPE, SIG_IGN);
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  const bool loaded =
      SSL_CTX_load_verify_locations(context_.get(), site.config.paths.client_ca.c_str(), nullptr) ==
          1 &&
      SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  if (!loaded) give_up("its files cannot be used");
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set1_host(ssl_.get(), "localhost");
  if (SSL_connect(ssl_.get()) != 1) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    give_up(std::string("TLS: ") + (reason == nullptr ? "closed" : reason));
  }
}

void SocketDevice::send(std::string_view bytes) {
  std::size_t sent = 0;
  const bool done = ssl_ ? SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent) == 1
                         : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                               static_cast<ssize_t>(bytes.size());
  if (!done) give_up("cannot send");
}

void SocketDevice::go_online() {
  connect();
  const auto connack = next();
  if (connack.type != mqtt::PacketType::kConnack || connack.code != 0) {
    give_up("not admitted: " + to_string(connack));
  }
  send(subscribe_bytes(spec));
  const auto suback = next();
  if (suback.type != mqtt::PacketType::kSuback) give_up("not subscribed: " + to_string(suback));
}

long SocketDevice::read_some(std::span<char> into) {
  if (!ssl_) return static_cast<long>(::recv(socket_.get(), into.data(), into.size(), 0));
  const int n = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
  if (n > 0) return n;
  const int error = SSL_get_error(ssl_.get(), n);
  const bool timed_out = error == SSL_ERROR_WANT_READ;
  return timed_out ? -1 : 0;
}

ServerPacket SocketDevice::next() {
  while (unread_.empty()) {
    std::array<char, 4096> buffer{};
    const long n = read_some(buffer);
    if (n == 0) give_up("the server closed the connection");
    if (n < 0) give_up("nothing came");
    unread_ = reader_.take({buffer.data(), static_cast<std::size_t>(n)});
  }
  ServerPacket packet = std::move(unread_.front());
  unread_.erase(unread_.begin());
  return packet;
}

bool SocketDevice::wait_for_end() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const long n = read_some(buffer);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
    if (n < 0) return false;
  }
}

void SocketDevice::reset() {
  reset_on_close(socket_.get());
  socket_ = Descriptor();
}

}  // namespace kscpush::test

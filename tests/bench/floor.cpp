// The yardstick of scripts/compare-peers: a bare epoll server that answers MQTT with fixed replies.
// It knows neither sessions nor subscriptions nor errors; nothing that serves the same devices can
// be cheaper, so that what kscpush adds shows as a ratio.
//
//   bench_floor PORT                       plain, on 127.0.0.1
//   bench_floor PORT CERTIFICATE KEY CA    TLS; devices must show a certificate of CA
//
// A PUBLISH goes, with a fixed topic and payload, to the device with the number that its topic ends
// with ("bench/bench-000017", or ".../bench-000017/push"), at QoS 1.
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int kBacklog = 4096;
constexpr std::size_t kDigits = 6;
constexpr std::size_t kNobody = 0;  // devices are numbered from 1

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// All that a connection costs here, beside OpenSSL's object; by descriptor.
struct Connection {
  std::unique_ptr<SSL, SslFree> ssl;
  bool version_5 = false;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::size_t number_at_end(std::string_view text) {
  if (text.size() < kDigits) return kNobody;
  std::size_t number = 0;
  for (const char c : text.substr(text.size() - kDigits)) {
    if (c < '0' || c > '9') return kNobody;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

std::unique_ptr<SSL_CTX, SslFree> make_context(char** files) {
  std::unique_ptr<SSL_CTX, SslFree> context(SSL_CTX_new(TLS_server_method()));
  // What kscpush sets, so that the same handshakes are compared.
  SSL_CTX_set1_groups_list(context.get(), "X25519:P-256:P-384");
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("f"), 1);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files[0]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), files[1], SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context.get(), files[2], nullptr) != 1) {
    ERR_print_errors_fp(stderr);
    std::exit(1);
  }
  return context;
}

class Floor {
 public:
  Floor(std::uint16_t port, SSL_CTX* context) : context_(context) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, kBacklog) != 0) {
      die("listen");
    }
    epoll_ = ::epoll_create1(0);
    watch(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept_all();
        } else {
          serve(fd);
        }
      }
    }
  }

 private:
  void watch(int fd) const {
    epoll_event event{};
    event.events = fd == listener_ ? EPOLLIN : EPOLLIN | EPOLLET;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  Connection& at(int fd) { return connections_[static_cast<std::size_t>(fd)]; }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connections_.size() <= static_cast<std::size_t>(fd)) {
        connections_.resize(static_cast<std::size_t>(fd) + 1);
      }
      if (context_ != nullptr) {
        at(fd).ssl.reset(SSL_new(context_));
        SSL_set_fd(at(fd).ssl.get(), fd);
        SSL_set_accept_state(at(fd).ssl.get());
      }
      watch(fd);
    }
  }

  void close(int fd) {
    at(fd) = Connection();
    ::close(fd);
  }

  void send(int fd, std::string_view bytes) {
    SSL* const ssl = at(fd).ssl.get();
    if (ssl != nullptr) {
      SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size()));
    } else {
      static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
  }

  void serve(int fd) {
    if (static_cast<std::size_t>(fd) >= connections_.size()) return;
    SSL* const ssl = at(fd).ssl.get();
    for (;;) {
      ssize_t n = 0;
      if (ssl != nullptr) {
        ERR_clear_error();
        n = SSL_read(ssl, scratch_.data(), static_cast<int>(scratch_.size()));
        if (n <= 0) {
          const int error = SSL_get_error(ssl, static_cast<int>(n));
          if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) close(fd);
          return;
        }
      } else {
        n = ::recv(fd, scratch_.data(), scratch_.size(), 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return close(fd);
      }
      answer(fd, std::string_view(scratch_.data(), static_cast<std::size_t>(n)));
      if (ssl == nullptr && static_cast<std::size_t>(n) < scratch_.size()) return;
    }
  }

  // Packets come whole here: they are small, and a load generator writes each at once.
  void answer(int fd, std::string_view bytes) {
    out_.clear();
    while (bytes.size() >= 2) {
      std::size_t size = static_cast<unsigned char>(bytes[1]) & 0x7FU;
      std::size_t header = 2;
      if ((static_cast<unsigned char>(bytes[1]) & 0x80U) != 0 && bytes.size() > 2) {
        size |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[2])) << 7U;
        header = 3;
      }
      if (bytes.size() < header + size) break;
      packet(fd, static_cast<unsigned char>(bytes[0]) >> 4U, bytes.substr(header, size));
      bytes.remove_prefix(header + size);
    }
    if (!out_.empty()) send(fd, out_);
  }

  void packet(int fd, unsigned type, std::string_view body) {
    using namespace std::string_view_literals;
    const bool version_5 = at(fd).version_5;
    if (type == 1 && body.size() > 6) {  // CONNECT: the client identifier is the last in it
      at(fd).version_5 = body[6] == 5;
      const std::size_t number = number_at_end(body);
      if (devices_.size() <= number) devices_.resize(number + 1, -1);
      if (number != kNobody) devices_[number] = fd;
      out_ += at(fd).version_5 ? "\x20\x03\x00\x00\x00"sv : "\x20\x02\x00\x00"sv;
    } else if (type == 8 && body.size() > 2) {  // SUBSCRIBE
      out_ += version_5 ? "\x90\x04"sv : "\x90\x03"sv;
      out_ += body.substr(0, 2);
      out_ += version_5 ? "\x00\x01"sv : "\x01"sv;
    } else if (type == 3 && body.size() > 2) {  // PUBLISH at QoS 1
      const std::size_t length = static_cast<unsigned char>(body[1]);
      if (body.size() < length + 4) return;
      out_ += "\x40\x02"sv;
      out_ += body.substr(2 + length, 2);
      forward(number_at_end(body.substr(2, length)));
    } else if (type == 12) {
      out_ += "\xD0\x00"sv;
    }
  }

  void forward(std::size_t number) {
    if (number >= devices_.size() || devices_[number] < 0) return;
    const int fd = devices_[number];
    // A topic of 12 bytes, packet identifier 1, in MQTT 5 no properties, 100 bytes of payload.
    static const std::string kRest = std::string(100, 'x');
    static const std::string kPush311 =
        std::string("\x32\x74\x00\x0C", 4) + "bench/device" + std::string("\x00\x01", 2) + kRest;
    static const std::string kPush5 = std::string("\x32\x75\x00\x0C", 4) + "bench/device" +
                                      std::string("\x00\x01\x00", 3) + kRest;
    send(fd, at(fd).version_5 ? kPush5 : kPush311);
  }

  SSL_CTX* const context_;
  int listener_ = -1;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<int> devices_;  // descriptors by number
  std::array<char, 64 * 1024> scratch_{};
  std::string out_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 5) {
    std::fputs("usage: bench_floor PORT [CERTIFICATE KEY CA]\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto context = argc == 5 ? make_context(argv + 2) : nullptr;
  Floor floor(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)), context.get());
  floor.run();
}

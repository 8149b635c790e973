// One connection of a load generator: a non-blocking socket, plain or TLS, without buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/descriptor.hpp"
#include "core/ids.hpp"
#include "core/openssl.hpp"

namespace kscpush::cli::bench {

using Ssl = std::unique_ptr<SSL, openssl::Freed<SSL_free>>;

// Where to connect to.
struct Target {
  std::string name;  // "HOST:PORT"
  sockaddr_storage address{};
  socklen_t size = 0;

  [[nodiscard]] bool loopback_v4() const;
};
// kUnreachable: the name has no address.
[[nodiscard]] Result<Target> resolve(const std::string& host, Port port);

// The N-th (from 0) of the loopback addresses that connections of many come from, as a socket has
// only so many ports for one address of a server.
[[nodiscard]] in_addr_t loopback_source(std::size_t n);

class Channel {
 public:
  enum class Io : std::uint8_t { kDone, kWait, kLost };

  // Begins to connect, from SOURCE unless that is 0. Not open: error() says why.
  [[nodiscard]] static Channel open(const Target& target, in_addr_t source);
  // Before the first handshake(): speaks TLS.
  void use_tls(Ssl ssl) { ssl_ = std::move(ssl); }

  // Done once bytes can go: connected, and the TLS handshake is over.
  [[nodiscard]] Io handshake();
  // All of BYTES or nothing of a whole; kWait is an error for the caller, as the few bytes that a
  // device sends always fit into a socket whose peer reads.
  [[nodiscard]] Io write(std::string_view bytes);
  // Into SPACE; N of them.
  [[nodiscard]] Io read(std::span<char> space, std::size_t& n);
  // With a TCP reset, which leaves no TIME_WAIT behind, or the usual way.
  void close(bool reset);

  [[nodiscard]] bool is_open() const { return static_cast<bool>(socket_); }
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  // In words, of the last call that gave kLost.
  [[nodiscard]] static std::string error();

 private:
  [[nodiscard]] Io outcome(int result);

  Descriptor socket_;
  Ssl ssl_;
};

}  // namespace kscpush::cli::bench

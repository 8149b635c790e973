// TLS for devices: 1.2 and 1.3, client certificates required, on a raw SSL object per connection.
//
// asio::ssl::stream keeps two 17 KiB buffers a connection (measured: 67 KB against 14.4 KB idle),
// so OpenSSL reads and writes the descriptor itself.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "core/result.hpp"
#include "core/secret.hpp"
#include "server/net/tcp_link.hpp"

namespace kscpush::server {

struct TlsFiles {
  std::string certificate;  // paths
  std::string key;
  std::string client_ca;
};

// Keys of the session tickets: shared by the shards, so that a device resumes on any of them.
struct TicketKeys {
  std::string bytes;  // as long as OpenSSL asks for
  [[nodiscard]] static TicketKeys generate();
};

// Constant after construction; one per shard, as OpenSSL counts references on it.
class TlsContext {
 public:
  // kInvalidConfig: a file that cannot be read or parsed, a key that does not fit, an expired
  // certificate; each with the path and what to do. Makes the process ignore SIGPIPE.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>> create(const TlsFiles& files,
                                                                  const TicketKeys& ticket_keys);
  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

// The handshake happens inside the first reads.
class TlsLink final : public TcpLink {
 public:
  TlsLink(Descriptor socket, Poller& poller, SSL_CTX* context);

  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  void shutdown_write() override;
  [[nodiscard]] Result<std::string> peer_device_id() const override;
  [[nodiscard]] bool secure() const override { return true; }
  [[nodiscard]] std::string last_error() const override;

 protected:
  ~TlsLink() override = default;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  IoResult outcome(int result);
  std::unique_ptr<SSL, Free> ssl_;
  unsigned long tls_error_ = 0;
};

}  // namespace kscpush::server

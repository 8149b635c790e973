// The TLS side of many devices: one context, one key, a certificate each.
//
// The server's certificate is not verified: a load generator asks what the server bears, and a
// verification per connection would be most of what it costs here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/bench/channel.hpp"
#include "core/secret.hpp"

namespace kscpush::cli::bench {

// Of what devices show. All empty: nothing, for servers that ask for no certificate.
struct TlsIdentity {
  Secret key;                             // PEM
  std::string certificate;                // PEM, the same for all devices; or
  std::vector<std::string> certificates;  // DER, one for each
};

struct SessionFree {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using TlsSession = std::unique_ptr<SSL_SESSION, SessionFree>;

class TlsClient {
 public:
  // With SESSIONS, tickets that servers send are kept, for connections to be resumed.
  // kInvalidConfig: the key or a certificate cannot be used.
  [[nodiscard]] static Result<std::unique_ptr<TlsClient>> create(TlsIdentity identity,
                                                                 bool sessions);

  // For device N (from 0). SESSION, if any, is offered; a ticket that comes is put there. Null when
  // OpenSSL has no memory or the certificate cannot be read.
  [[nodiscard]] Ssl connection(std::size_t n, TlsSession* session) const;
  // After the handshake: what only that needed is freed.
  static void trim(SSL* ssl) { SSL_certs_clear(ssl); }

 private:
  TlsClient() = default;
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, ContextFree> context_;
  std::vector<std::string> certificates_;
};

}  // namespace kscpush::cli::bench

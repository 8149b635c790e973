// TLS for devices: 1.2 and 1.3, client certificates required, session tickets. ALPN: "mqtt" or
// none; or one of the other protocols of core/port_protocols.hpp, for which a client need not have
// a certificate and gets no ticket.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "core/result.hpp"
#include "server/net/ticket_keys.hpp"
#include "server/net/tls_trust.hpp"

namespace kscpush::server {

struct TlsFiles {
  std::string certificate;  // paths
  std::string key;
  std::string client_ca;
};

// What the shards' contexts have in common.
struct TlsShared {
  std::shared_ptr<const TicketKeys> ticket_keys;
  std::shared_ptr<const TlsTrust> trust;
  bool park = false;  // limits.park_idle_tls
};

// Constant after construction; one per shard, as OpenSSL counts references on it.
//
// Resumption: a ticket holds no certificate but the Peer (Peer::encode), and is refused, which
// means a full handshake, when TlsTrust objects to it or when the device showed its key longer ago
// than kProofLasts: each resumption gives a new ticket, so that without this a stolen one would be
// good until the certificate ends.
class TlsContext {
 public:
  static constexpr std::chrono::hours kProofLasts{7 * 24};

  // kInvalidConfig: a file that cannot be read or parsed, a key that does not fit, an expired
  // certificate; each with the path and what to do. Makes the process ignore SIGPIPE.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>> create(const TlsFiles& files,
                                                                  TlsShared shared);
  // Links that are made of it hold it for as long as they need it.
  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
  [[nodiscard]] static const TlsShared& shared_of(const SSL_CTX* context);

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

}  // namespace kscpush::server

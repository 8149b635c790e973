// Takes a TLS 1.3 connection out of OpenSSL after its handshake: its traffic secrets, which the key
// log callback gives out (they go to no file), and how many records each side has sent under them,
// which the message callback sees.
#pragma once

#include <cstdint>
#include <memory>

#include <openssl/ssl.h>

#include "server/net/tls_parked.hpp"

namespace kscpush::server {

struct TlsCapture : Undumped {
  TlsSecret client;
  TlsSecret server;
  std::uint64_t received = 0;  // records since the peer's Finished
  std::uint64_t sent = 0;      // records since ours
  bool rekeyed = false;        // a KeyUpdate went either way: the secrets are others now
};

void set_up_capture(SSL_CTX* context);
// Before the handshake. CAPTURE outlives the handshake.
void capture_traffic(SSL* ssl, TlsCapture& capture);

void stop_capture(SSL* ssl);

enum class Parkable : std::uint8_t {
  kYes,
  kLater,  // a record is half read, or not all that was read has been taken
  kNever,  // TLS 1.2, another cipher suite, a KeyUpdate before it came to this
};
// After the handshake, when nothing is half written.
[[nodiscard]] Parkable parkable(const SSL* ssl, const TlsCapture& capture);
// Of a parkable one; SSL can be freed then. Null: OpenSSL failed.
[[nodiscard]] std::unique_ptr<ParkedTls> park(const SSL* ssl, const TlsCapture& capture);

}  // namespace kscpush::server

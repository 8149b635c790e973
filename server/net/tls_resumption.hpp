// Session tickets that carry the device's identity, and the verification of certificates, of which
// nothing but the identity is kept.
#pragma once

#include <openssl/ssl.h>

namespace kscpush::server {

struct Peer;

// CONTEXT has its TlsShared. Every SSL of it must be given to identify() before its handshake.
void set_up_resumption(SSL_CTX* context);

// The handshake of SSL leaves in PEER who is at the other end. When it was resumed PEER is read
// from the session by resumed_peer(), after the handshake.
void identify(SSL* ssl, Peer& peer);
// Of a resumed session; false when its ticket names nobody, which no ticket of ours does.
[[nodiscard]] bool resumed_peer(const SSL* ssl, Peer& peer);

// Frees what OpenSSL keeps of the peer's certificates, 5 KB each. After the handshake.
void drop_certificates(SSL* ssl);

}  // namespace kscpush::server

#include "server/net/tls_resumption.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>
#include <string>

#include <openssl/err.h>

#include "server/net/tls_context.hpp"

namespace kscpush::server {
namespace {

// Session tickets resume only sessions of this service.
constexpr std::array<unsigned char, 7> kSessionContext{'k', 's', 'c', 'p', 'u', 's', 'h'};

std::int64_t seconds_now() {
  return std::time(nullptr);
}

const TlsShared& shared_of(const SSL* ssl) {
  return TlsContext::shared_of(SSL_get_SSL_CTX(ssl));
}

Peer& peer_of(const SSL* ssl) {
  return *static_cast<Peer*>(SSL_get_app_data(ssl));
}

// In place of OpenSSL's own verification, which it calls: the chain is looked at once, and not
// kept.
int on_verify(X509_STORE_CTX* store, void* /*unused*/) {
  if (X509_verify_cert(store) != 1) return 0;
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(store);
  const TlsTrust& trust = *shared_of(ssl).trust;
  for (int i = 0; i + 1 < sk_X509_num(chain); ++i) {
    const std::uint64_t issuer = authority_hash(sk_X509_value(chain, i + 1));
    const auto* const serial = X509_get0_serialNumber(sk_X509_value(chain, i));
    if (!trust.revoked(certificate_hash(issuer, serial))) continue;
    X509_STORE_CTX_set_error_depth(store, i);
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
    return 0;
  }
  peer_of(ssl) = Peer::of(chain, seconds_now());
  X509_STORE_CTX_set0_verified_chain(store, nullptr);
  return 1;
}

bool read_peer(const SSL_SESSION* session, Peer& peer) {
  void* data = nullptr;
  std::size_t size = 0;
  // Gives the data out; the session is not changed.
  if (SSL_SESSION_get0_ticket_appdata(const_cast<SSL_SESSION*>(session), &data, &size) != 1) {
    return false;
  }
  auto found = Peer::decode({static_cast<const char*>(data), data == nullptr ? 0 : size});
  if (!found) return false;
  peer = std::move(*found);
  return true;
}

// --- Tickets

int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                  EVP_MAC_CTX* mac, int sealing) {
  const TicketKeys& keys = *shared_of(ssl).ticket_keys;
  TicketKeys::Name key_name{};
  if (sealing != 0) {
    if (!keys.seal(key_name, iv, cipher, mac)) return -1;
    std::ranges::copy(key_name, name);
    return 1;
  }
  std::copy_n(name, key_name.size(), key_name.begin());
  switch (keys.open(key_name, iv, cipher, mac)) {
    case TicketKeys::Opened::kCurrent:
      return 1;
    case TicketKeys::Opened::kFormer:
      return 2;  // and the ticket is renewed
    case TicketKeys::Opened::kUnknown:
      break;
  }
  return 0;
}

// The session as OpenSSL writes it down (SSL_SESSION_ASN1), but for the element [3], the peer's
// certificate. Empty when there is none.
std::string without_certificate(const SSL_SESSION* session) {
  constexpr int kCertificate = 3;
  unsigned char* der = nullptr;
  const int size = i2d_SSL_SESSION(session, &der);
  if (size <= 0) return {};
  const std::span<const unsigned char> all(der, static_cast<std::size_t>(size));
  const unsigned char* at = der;
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  std::string kept;
  ASN1_get_object(&at, &length, &tag, &tag_class, size);
  const unsigned char* const end = der + size;
  while (at < end) {
    const unsigned char* const begin = at;
    if ((ASN1_get_object(&at, &length, &tag, &tag_class, end - at) & 0x80) != 0) break;
    at += length;
    if (tag_class != V_ASN1_CONTEXT_SPECIFIC || tag != kCertificate) kept.append(begin, at);
  }
  OPENSSL_clear_free(der, all.size());
  std::string result(
      static_cast<std::size_t>(ASN1_object_size(1, static_cast<int>(kept.size()), V_ASN1_SEQUENCE)),
      '\0');
  auto* out = reinterpret_cast<unsigned char*>(result.data());
  ASN1_put_object(&out, 1, static_cast<int>(kept.size()), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  std::ranges::copy(kept, reinterpret_cast<char*>(out));
  OPENSSL_cleanse(kept.data(), kept.size());
  return result;
}

// A session has no setter for its certificate, but d2i over an existing object replaces what it has
// by what is read. So tickets are two thirds smaller, and connections by the whole certificate.
void drop_certificate(SSL_SESSION* session) {
  if (SSL_SESSION_get0_peer(session) == nullptr) return;
  std::string text = without_certificate(session);
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  d2i_SSL_SESSION(&session, &at, static_cast<long>(text.size()));
  OPENSSL_cleanse(text.data(), text.size());
}

int on_new_ticket(SSL* ssl, void* /*unused*/) {
  SSL_SESSION* const session = SSL_get_session(ssl);
  Peer of_ticket;
  const bool resumed = SSL_session_reused(ssl) == 1 && read_peer(session, of_ticket);
  const std::string text = (resumed ? of_ticket : peer_of(ssl)).encode();
  if (SSL_SESSION_set1_ticket_appdata(session, text.data(), text.size()) != 1) return 0;
  drop_certificate(session);
  return 1;
}

// A ticket of TLS 1.3 is for one connection (RFC 8446, appendix C.4), and clients throw it away;
// with keys that are not OpenSSL's own, it is replaced only when that is said here.
SSL_TICKET_RETURN on_old_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* /*name*/,
                                std::size_t /*name_size*/, SSL_TICKET_STATUS status,
                                void* /*unused*/) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  constexpr auto kLasts = std::chrono::seconds(TlsContext::kProofLasts).count();
  Peer peer;
  const std::int64_t now = seconds_now();
  const bool good = read_peer(session, peer) && now - peer.proved <= kLasts &&
                    shared_of(ssl).trust->objection(peer.proof, now).empty();
  if (!good) return SSL_TICKET_RETURN_IGNORE_RENEW;
  const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

}  // namespace

void set_up_resumption(SSL_CTX* context) {
  SSL_CTX_set_cert_verify_callback(context, on_verify, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, kSessionContext.data(), kSessionContext.size());
  SSL_CTX_set_timeout(context, std::chrono::seconds(TicketKeys::kPeriod).count());
  // OpenSSL sends two tickets, a third of a handshake's cost; a device makes one connection.
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key);
  SSL_CTX_set_session_ticket_cb(context, on_new_ticket, on_old_ticket, nullptr);
}

void identify(SSL* ssl, Peer& peer) {
  SSL_set_app_data(ssl, &peer);
}

bool resumed_peer(const SSL* ssl, Peer& peer) {
  return read_peer(SSL_get_session(ssl), peer);
}

void drop_certificates(SSL* ssl) {
  // Those that came with the peer's own. The stack stays OpenSSL's.
  if (STACK_OF(X509)* const others = SSL_get_peer_cert_chain(ssl)) {
    while (X509* const certificate = sk_X509_pop(others)) X509_free(certificate);
  }
  if (SSL_SESSION* const session = SSL_get_session(ssl)) drop_certificate(session);
}

}  // namespace kscpush::server

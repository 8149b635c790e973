#include "cli/bench/tls_client.hpp"

namespace kscpush::cli::bench {

using openssl::failed;

Result<std::unique_ptr<TlsClient>> TlsClient::create(TlsIdentity identity, bool sessions) {
  std::unique_ptr<TlsClient> client(new TlsClient());
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return failed(ErrorCode::kFailed, "use TLS");
  client->context_.reset(context);
  client->certificates_ = std::move(identity.certificates);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set1_groups_list(context, "X25519:P-256");
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(
      context, sessions ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
  if (sessions) SSL_CTX_sess_set_new_cb(context, keep_session);
  if (!identity.certificate.empty()) {
    const auto certificate = openssl::read_certificate(identity.certificate);
    if (!certificate) return fail(within("client certificate", certificate.error()));
    if (SSL_CTX_use_certificate(context, certificate->get()) != 1) {
      return failed(ErrorCode::kInvalidConfig, "use the client certificate");
    }
  }
  if (!identity.key.str().empty()) {
    const auto key = openssl::read_key(identity.key.str());
    if (!key) return fail(within("client key", key.error()));
    if (SSL_CTX_use_PrivateKey(context, key->get()) != 1) {
      return failed(ErrorCode::kInvalidConfig, "use the client key with its certificate");
    }
  }
  return client;
}

int TlsClient::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* const place = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (place == nullptr) return 0;
  place->reset(session);
  return 1;
}

Ssl TlsClient::connection(std::size_t n, TlsSession* session) const {
  Ssl ssl(SSL_new(context_.get()));
  if (ssl == nullptr) return ssl;
  SSL_set_connect_state(ssl.get());
  if (session != nullptr) {
    SSL_set_app_data(ssl.get(), session);
    if (*session != nullptr) SSL_set_session(ssl.get(), session->get());
  }
  if (n < certificates_.size()) {
    const std::string& der = certificates_[n];
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    const openssl::Certificate certificate(
        d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
    if (certificate == nullptr || SSL_use_certificate(ssl.get(), certificate.get()) != 1) {
      return nullptr;
    }
  }
  return ssl;
}

}  // namespace kscpush::cli::bench

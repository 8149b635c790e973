#include "server/net/tls_context.hpp"

#include <csignal>
#include <new>
#include <string_view>
#include <system_error>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/port_protocols.hpp"
#include "server/net/tls_capture.hpp"
#include "server/net/tls_resumption.hpp"

namespace kscpush::server {
namespace {

// ChaCha20 last: servers here have AES in hardware; devices without it may still choose.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  // Of a file that is not there, for one; OpenSSL 3 has no words of its own for these.
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

// In place of OpenSSL's own, which would ask on the terminal; notes that it was called.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Error key_error(const TlsFiles& files, bool encrypted, const std::string& reason) {
  if (reason.find("mismatch") != std::string::npos) {
    return {ErrorCode::kInvalidConfig,
            fmt::format("the key {} is not the key of the certificate {}", files.key,
                        files.certificate),
            "push_server.tls.certificate and push_server.tls.key must belong together"};
  }
  if (encrypted) {
    return {ErrorCode::kInvalidConfig, fmt::format("the key {} is encrypted", files.key),
            fmt::format("decrypt it: openssl pkey -in {} -out NEW-KEY", files.key)};
  }
  return {ErrorCode::kInvalidConfig,
          fmt::format("the key {} cannot be used: {}", files.key, reason),
          "put the certificate's key there, or set push_server.tls.key to its PEM file"};
}

Status load_files(SSL_CTX* context, const TlsFiles& files) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the server certificate {} cannot be used: {}", files.certificate,
                             openssl_reason()),
                 "put it there, or set push_server.tls.certificate to its PEM file"});
  }
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
  const int loaded = SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (loaded != 1) return fail(key_error(files, encrypted, openssl_reason()));
  if (SSL_CTX_load_verify_locations(context, files.client_ca.c_str(), nullptr) != 1) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the certificate authority of the devices, {}, cannot be used: {}",
                             files.client_ca, openssl_reason()),
                 "put it there, or set push_server.tls.client_ca to its PEM file"});
  }
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.client_ca.c_str()));
  return {};
}

Status check_dates(SSL_CTX* context, const std::string& path) {
  const X509* certificate = SSL_CTX_get0_certificate(context);
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the server certificate {} has expired", path),
                 "put a renewed one there, or set push_server.tls.certificate to its PEM file; an "
                 "authority that the devices trust must have signed it"});
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the server certificate {} is not valid yet", path),
                 "check the clock of this machine"});
  }
  return {};
}

// The shared part lives as long as OpenSSL's object does, which connections hold as well.
void free_shared(void* /*parent*/, void* shared, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                 long /*number*/, void* /*pointer*/) {
  delete static_cast<TlsShared*>(shared);
}

int shared_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_shared);
  return index;
}

// As ALPN lists them: each behind its length.
std::string known_protocols() {
  std::string list;
  for (const std::string_view name : {kMqttProtocol, kTunnelProtocol, kEnrollProtocol}) {
    list.push_back(static_cast<char>(name.size()));
    list.append(name);
  }
  return list;
}

// Whoever names protocols and none of these has come to the wrong port: RFC 7301 has an alert for
// it, and it keeps a browser from being made to speak to us.
int select_alpn(SSL* ssl, const unsigned char** selected, unsigned char* selected_size,
                const unsigned char* offered, unsigned offered_size, void* /*unused*/) {
  static const std::string known = known_protocols();
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(
      &found, selected_size, reinterpret_cast<const unsigned char*>(known.data()),
      static_cast<unsigned>(known.size()), offered, offered_size);
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *selected = found;
  if (std::string_view(reinterpret_cast<const char*>(found), *selected_size) != kMqttProtocol) {
    // A certificate that is shown must still be good.
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    SSL_set_num_tickets(ssl, 0);
  }
  return SSL_TLSEXT_ERR_OK;
}

void set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  // X25519 first: a P-256 key share costs 3.3 KB more a connection as long as OpenSSL's object
  // lives.
  SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
  SSL_CTX_set_verify_depth(context, 4);
  SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
}

}  // namespace

const TlsShared& TlsContext::shared_of(const SSL_CTX* context) {
  return *static_cast<const TlsShared*>(SSL_CTX_get_ex_data(context, shared_index()));
}

Result<std::unique_ptr<TlsContext>> TlsContext::create(const TlsFiles& files, TlsShared shared) {
  // OpenSSL writes its sockets without MSG_NOSIGNAL: a peer that is gone would end the process.
  std::signal(SIGPIPE, SIG_IGN);
  auto result = std::make_unique<TlsContext>();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return fail(ErrorCode::kFailed, "TLS: {}", openssl_reason());
  result->context_.reset(context);
  const bool park = shared.park;
  auto kept = std::make_unique<TlsShared>(std::move(shared));
  if (SSL_CTX_set_ex_data(context, shared_index(), kept.get()) != 1) throw std::bad_alloc();
  static_cast<void>(kept.release());
  set_protocol(context);
  set_up_resumption(context);
  if (park) set_up_capture(context);
  if (auto loaded = load_files(context, files); !loaded) return fail(loaded.error());
  if (auto dates = check_dates(context, files.certificate); !dates) return fail(dates.error());
  return result;
}

}  // namespace kscpush::server

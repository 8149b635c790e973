#include <csignal>

#include <gnutls/gnutls.h>

#include "tests/clients/tls/script.hpp"

namespace tls_client {
namespace {

class GnuTls final : public Client {
 public:
  explicit GnuTls(const Settings& settings) {
    must(gnutls_certificate_allocate_credentials(&credentials_) == 0, "credentials");
    must(gnutls_certificate_set_x509_trust_file(credentials_, settings.authority.c_str(),
                                                GNUTLS_X509_FMT_PEM) > 0 &&
             gnutls_certificate_set_x509_key_file(credentials_, settings.certificate.c_str(),
                                                  settings.key.c_str(), GNUTLS_X509_FMT_PEM) == 0,
         "its files");
    gnutls_init(&session_, GNUTLS_CLIENT);
    const char* const priority =
        settings.tls12 ? "NORMAL:-VERS-ALL:+VERS-TLS1.2" : "NORMAL:-VERS-ALL:+VERS-TLS1.3";
    must(gnutls_priority_set_direct(session_, priority, nullptr) == 0, "priority");
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_);
    gnutls_server_name_set(session_, GNUTLS_NAME_DNS, settings.host.data(), settings.host.size());
    gnutls_session_set_verify_cert(session_, settings.host.c_str(), 0);
    gnutls_transport_set_int(session_, settings.descriptor);
    int result = 0;
    do {
      result = gnutls_handshake(session_);
    } while (result < 0 && gnutls_error_is_fatal(result) == 0);
    must(result == 0, std::string("handshake: ") + gnutls_strerror(result));
  }
  ~GnuTls() override {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }
  GnuTls(const GnuTls&) = delete;
  GnuTls& operator=(const GnuTls&) = delete;

  void send(const std::string& bytes) override {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto sent = gnutls_record_send(session_, bytes.data() + at, bytes.size() - at);
      if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) continue;
      must(sent > 0, std::string("send: ") + gnutls_strerror(static_cast<int>(sent)));
      at += static_cast<std::size_t>(sent);
    }
  }
  Got receive() override {
    std::string buffer(1 << 16, '\0');
    for (;;) {
      const auto got = gnutls_record_recv(session_, buffer.data(), buffer.size());
      if (got > 0) return {Got::Kind::kBytes, buffer.substr(0, static_cast<std::size_t>(got))};
      if (got == 0) return {Got::Kind::kClosed, ""};
      const int code = static_cast<int>(got);
      if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        return {Got::Kind::kError, gnutls_alert_get_name(gnutls_alert_get(session_))};
      }
      // A session ticket or a KeyUpdate was read. A timeout is none of both.
      if (code == GNUTLS_E_AGAIN && ++waits_ > 100) return {Got::Kind::kError, "nothing came"};
      if (gnutls_error_is_fatal(code) != 0) return {Got::Kind::kError, gnutls_strerror(code)};
    }
  }
  bool update(bool request) override {
    return gnutls_session_key_update(session_, request ? GNUTLS_KU_PEER : 0) == 0;
  }
  void close() override { gnutls_bye(session_, GNUTLS_SHUT_WR); }
  std::string info() override {
    return std::string(gnutls_protocol_get_name(gnutls_protocol_get_version(session_))) + " " +
           gnutls_cipher_get_name(gnutls_cipher_get(session_));
  }

 private:
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_session_t session_ = nullptr;
  int waits_ = 0;
};

}  // namespace
}  // namespace tls_client

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  tls_client::GnuTls client(tls_client::settings_of(argc, argv));
  return tls_client::run(client);
}

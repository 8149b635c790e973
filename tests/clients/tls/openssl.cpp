#include <csignal>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/clients/tls/script.hpp"

namespace tls_client {
namespace {

class OpenSsl final : public Client {
 public:
  explicit OpenSsl(const Settings& settings) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (settings.tls12) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    must(SSL_CTX_load_verify_locations(context, settings.authority.c_str(), nullptr) == 1 &&
             SSL_CTX_use_certificate_chain_file(context, settings.certificate.c_str()) == 1 &&
             SSL_CTX_use_PrivateKey_file(context, settings.key.c_str(), SSL_FILETYPE_PEM) == 1,
         "its files");
    ssl_ = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_tlsext_host_name(ssl_, settings.host.c_str());
    SSL_set1_host(ssl_, settings.host.c_str());
    SSL_set_fd(ssl_, settings.descriptor);
    must(SSL_connect(ssl_) == 1, "handshake: " + reason());
  }
  ~OpenSsl() override { SSL_free(ssl_); }
  OpenSsl(const OpenSsl&) = delete;
  OpenSsl& operator=(const OpenSsl&) = delete;

  void send(const std::string& bytes) override {
    std::size_t n = 0;
    must(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n) == 1, "send: " + reason());
  }
  Got receive() override {
    std::string buffer(1 << 16, '\0');
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &n);
    if (result == 1) return {Got::Kind::kBytes, buffer.substr(0, n)};
    if (SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN) return {Got::Kind::kClosed, ""};
    return {Got::Kind::kError, reason()};
  }
  bool update(bool request) override {
    const int kind = request ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    return SSL_key_update(ssl_, kind) == 1 && SSL_do_handshake(ssl_) == 1;
  }
  void close() override { SSL_shutdown(ssl_); }
  std::string info() override {
    return std::string(SSL_get_version(ssl_)) + " " + SSL_get_cipher_name(ssl_);
  }

 private:
  static std::string reason() {
    const char* const text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text == nullptr ? "no reason given" : text;
  }
  SSL* ssl_ = nullptr;
};

}  // namespace
}  // namespace tls_client

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  tls_client::OpenSsl client(tls_client::settings_of(argc, argv));
  return tls_client::run(client);
}

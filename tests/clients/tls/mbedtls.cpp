#include <csignal>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#include "tests/clients/tls/script.hpp"

// Debian's Mbed TLS 2.28 speaks TLS 1.2 only.
namespace tls_client {
namespace {

class MbedTls final : public Client {
 public:
  explicit MbedTls(const Settings& settings) {
    mbedtls_ssl_init(&ssl_);
    mbedtls_ssl_config_init(&config_);
    mbedtls_x509_crt_init(&authority_);
    mbedtls_x509_crt_init(&certificate_);
    mbedtls_pk_init(&key_);
    mbedtls_entropy_init(&entropy_);
    mbedtls_ctr_drbg_init(&random_);
    must(mbedtls_ctr_drbg_seed(&random_, mbedtls_entropy_func, &entropy_, nullptr, 0) == 0,
         "random numbers");
    must(mbedtls_x509_crt_parse_file(&authority_, settings.authority.c_str()) == 0 &&
             mbedtls_x509_crt_parse_file(&certificate_, settings.certificate.c_str()) == 0 &&
             mbedtls_pk_parse_keyfile(&key_, settings.key.c_str(), nullptr) == 0,
         "its files");
    must(mbedtls_ssl_config_defaults(&config_, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT) == 0,
         "configuration");
    mbedtls_ssl_conf_ca_chain(&config_, &authority_, nullptr);
    must(mbedtls_ssl_conf_own_cert(&config_, &certificate_, &key_) == 0, "its certificate");
    mbedtls_ssl_conf_rng(&config_, mbedtls_ctr_drbg_random, &random_);
    must(mbedtls_ssl_setup(&ssl_, &config_) == 0, "connection");
    mbedtls_ssl_set_hostname(&ssl_, settings.host.c_str());
    socket_.fd = settings.descriptor;
    mbedtls_ssl_set_bio(&ssl_, &socket_, mbedtls_net_send, mbedtls_net_recv, nullptr);
    const int result = mbedtls_ssl_handshake(&ssl_);
    must(result == 0, "handshake: " + reason(result));
  }
  ~MbedTls() override {
    mbedtls_ssl_free(&ssl_);
    mbedtls_ssl_config_free(&config_);
    mbedtls_x509_crt_free(&authority_);
    mbedtls_x509_crt_free(&certificate_);
    mbedtls_pk_free(&key_);
    mbedtls_ctr_drbg_free(&random_);
    mbedtls_entropy_free(&entropy_);
  }
  MbedTls(const MbedTls&) = delete;
  MbedTls& operator=(const MbedTls&) = delete;

  void send(const std::string& bytes) override {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto* const from = reinterpret_cast<const unsigned char*>(bytes.data()) + at;
      const int sent = mbedtls_ssl_write(&ssl_, from, bytes.size() - at);
      must(sent > 0, "send: " + reason(sent));
      at += static_cast<std::size_t>(sent);
    }
  }
  Got receive() override {
    std::string buffer(1 << 16, '\0');
    const int got =
        mbedtls_ssl_read(&ssl_, reinterpret_cast<unsigned char*>(buffer.data()), buffer.size());
    if (got > 0) return {Got::Kind::kBytes, buffer.substr(0, static_cast<std::size_t>(got))};
    if (got == 0 || got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return {Got::Kind::kClosed, ""};
    return {Got::Kind::kError, reason(got)};
  }
  bool update(bool /*request*/) override { return false; }
  void close() override { mbedtls_ssl_close_notify(&ssl_); }
  std::string info() override {
    return std::string(mbedtls_ssl_get_version(&ssl_)) + " " + mbedtls_ssl_get_ciphersuite(&ssl_);
  }

 private:
  static std::string reason(int code) {
    char text[200] = {};
    mbedtls_strerror(code, text, sizeof text);
    return text;
  }
  mbedtls_ssl_context ssl_{};
  mbedtls_ssl_config config_{};
  mbedtls_x509_crt authority_{};
  mbedtls_x509_crt certificate_{};
  mbedtls_pk_context key_{};
  mbedtls_entropy_context entropy_{};
  mbedtls_ctr_drbg_context random_{};
  mbedtls_net_context socket_{};
};

}  // namespace
}  // namespace tls_client

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  tls_client::MbedTls client(tls_client::settings_of(argc, argv));
  return tls_client::run(client);
}

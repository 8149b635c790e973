#include <csignal>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "tests/clients/tls/script.hpp"

namespace tls_client {
namespace {

class WolfSsl final : public Client {
 public:
  explicit WolfSsl(const Settings& settings) {
    wolfSSL_Init();
    context_ =
        wolfSSL_CTX_new(settings.tls12 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    must(context_ != nullptr, "context");
    must(wolfSSL_CTX_load_verify_locations(context_, settings.authority.c_str(), nullptr) ==
                 WOLFSSL_SUCCESS &&
             wolfSSL_CTX_use_certificate_chain_file(context_, settings.certificate.c_str()) ==
                 WOLFSSL_SUCCESS &&
             wolfSSL_CTX_use_PrivateKey_file(context_, settings.key.c_str(),
                                             WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS,
         "its files");
    ssl_ = wolfSSL_new(context_);
    wolfSSL_check_domain_name(ssl_, settings.host.c_str());
    wolfSSL_set_fd(ssl_, settings.descriptor);
    must(wolfSSL_connect(ssl_) == WOLFSSL_SUCCESS, "handshake: " + reason(-1));
  }
  ~WolfSsl() override {
    wolfSSL_free(ssl_);
    wolfSSL_CTX_free(context_);
    wolfSSL_Cleanup();
  }
  WolfSsl(const WolfSsl&) = delete;
  WolfSsl& operator=(const WolfSsl&) = delete;

  void send(const std::string& bytes) override {
    const int size = static_cast<int>(bytes.size());
    const int sent = wolfSSL_write(ssl_, bytes.data(), size);
    must(sent == size, "send: " + reason(sent));
  }
  Got receive() override {
    std::string buffer(1 << 16, '\0');
    const int got = wolfSSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
    if (got > 0) return {Got::Kind::kBytes, buffer.substr(0, static_cast<std::size_t>(got))};
    if (wolfSSL_get_error(ssl_, got) == WOLFSSL_ERROR_ZERO_RETURN) {
      return {Got::Kind::kClosed, ""};
    }
    return {Got::Kind::kError, reason(got)};
  }
  // It always asks for one back.
  bool update(bool request) override {
#ifdef WOLFSSL_TLS13
    return request && wolfSSL_update_keys(ssl_) == WOLFSSL_SUCCESS;
#else
    return false;
#endif
  }
  void close() override {
    wolfSSL_shutdown(ssl_);
  }
  std::string info() override {
    return std::string(wolfSSL_get_version(ssl_)) + " " + wolfSSL_get_cipher(ssl_);
  }

 private:
  std::string reason(int result) {
    char text[WOLFSSL_MAX_ERROR_SZ] = {};
    wolfSSL_ERR_error_string(static_cast<unsigned long>(wolfSSL_get_error(ssl_, result)), text);
    return text;
  }
  WOLFSSL_CTX* context_ = nullptr;
  WOLFSSL* ssl_ = nullptr;
};

}  // namespace
}  // namespace tls_client

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  tls_client::WolfSsl client(tls_client::settings_of(argc, argv));
  return tls_client::run(client);
}

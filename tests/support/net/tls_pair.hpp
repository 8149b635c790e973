// Both ends of a TLS connection on loopback, in one thread, neither of which blocks: the server's
// link and a client of OpenSSL's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <openssl/ssl.h>

#include "core/descriptor.hpp"
#include "server/net/tls_context.hpp"
#include "server/net/tls_link.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::test {

[[nodiscard]] server::TlsFiles tls_files(const TestSite& site);
// Fresh ticket keys; the site's authority and no revocation list, or CRL.
[[nodiscard]] server::TlsShared tls_shared(const TestSite& site, const std::string& crl = "");
[[nodiscard]] std::unique_ptr<server::TlsContext> tls_context(const TestSite& site,
                                                              bool park = false);

struct SslFreed {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SslFreed>;
using ConfigureClient = std::function<void(SSL_CTX*)>;

class TlsPair {
 public:
  // FILES: the client's certificate, if it has one. SESSION: what it resumes, or null.
  TlsPair(const server::TlsContext& context, const std::optional<DeviceFiles>& files,
          const ConfigureClient& configure = nullptr, SSL_SESSION* session = nullptr);
  TlsPair(const TestSite& site, const std::optional<DeviceFiles>& files,
          const ConfigureClient& configure = nullptr)
      : TlsPair(*tls_context(site), files, configure) {}

  // The client says "hello" until the server has read it or has given up, of which the client then
  // learns.
  server::IoResult::Kind talk();
  [[nodiscard]] bool parked() const { return static_cast<server::TlsLink&>(*link).parked(); }
  // Once; what is read is appended to heard.
  server::IoResult read();
  // Reads until HEARD has that many bytes, or the connection ends.
  server::IoResult::Kind read_until(std::size_t bytes);
  // The server writes all of it, while the client reads.
  void write(std::string_view bytes);

  // The client's side.
  void client_write(std::string_view bytes);
  // Reads what has come, and answers what TLS wants answered; appended to client_heard.
  void client_read();
  void client_read_until(std::size_t bytes);
  [[nodiscard]] SSL* client() { return ssl_.get(); }
  // What the client may resume: null until it has read the server's ticket.
  [[nodiscard]] SessionPtr session();
  // Past the client's TLS.
  void send_raw(std::string_view bytes) const;
  void reset();
  // The client closes its socket without a word.
  void hang_up() { descriptor_ = Descriptor(); }
  [[nodiscard]] int client_descriptor() const { return descriptor_.get(); }

  void wait_for_server() const;
  void wait_for_client() const;

 private:
  void client_turn();

  server::Loop loop_;
  std::unique_ptr<SSL_CTX, SslFreed> client_context_;
  std::unique_ptr<SSL, SslFreed> ssl_;
  Descriptor descriptor_;
  int server_descriptor_ = -1;
  bool said_ = false;

 public:
  server::LinkPtr link;
  std::string heard;         // by the server
  std::string client_heard;  // by the client
  std::string client_error;
  bool client_ended = false;  // it has read the server's close_notify, or the end
};

}  // namespace kscpush::test

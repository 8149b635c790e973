// How a connection to the push server is set up; that it is refused otherwise is acceptance's.
#include "agent/tls.hpp"

#include <memory>

#include <doctest/doctest.h>
#include <openssl/x509v3.h>

#include "core/pki.hpp"

namespace kscpush::agent {
namespace {

struct Fixture {
  asio::ssl::context tls{asio::ssl::context::tls_client};
  std::unique_ptr<SSL, decltype(&SSL_free)> connection{SSL_new(tls.native_handle()), SSL_free};

  std::string server_name() {
    const char* const name = SSL_get_servername(connection.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "client TLS: a name is asked for, and must be in the certificate") {
  aim(connection.get(), "dp-1.example.com", "kscpush-test/1");
  CHECK(server_name() == "dp-1.example.com");
  CHECK(X509_VERIFY_PARAM_get0_host(SSL_get0_param(connection.get()), 0) ==
        std::string("dp-1.example.com"));
  CHECK(protocol_of(connection.get()).empty());
}

TEST_CASE_FIXTURE(Fixture, "regression: client TLS: an address is no server name") {
  aim(connection.get(), "192.0.2.1");
  CHECK(server_name().empty());
  const std::unique_ptr<char, void (*)(char*)> address(
      X509_VERIFY_PARAM_get1_ip_asc(SSL_get0_param(connection.get())),
      [](char* text) { OPENSSL_free(text); });
  REQUIRE(address != nullptr);
  CHECK(std::string(address.get()) == "192.0.2.1");
}

TEST_CASE_FIXTURE(Fixture, "client TLS: who is trusted decides whether the server is verified") {
  REQUIRE(load_authority(tls, "").has_value());
  CHECK(SSL_CTX_get_verify_mode(tls.native_handle()) == SSL_VERIFY_NONE);
  CHECK(load_authority(tls, "rubbish").error().code == ErrorCode::kFailed);
  const auto authority = pki::create_authority("Site", WallTime(std::chrono::hours(24 * 365 * 50)),
                                               std::chrono::days(1));
  REQUIRE(load_authority(tls, authority->certificate).has_value());
  CHECK(SSL_CTX_get_verify_mode(tls.native_handle()) == SSL_VERIFY_PEER);
  CHECK(SSL_CTX_get_min_proto_version(tls.native_handle()) == TLS1_2_VERSION);
}

}  // namespace kscpush::agent

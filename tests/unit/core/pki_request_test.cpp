// Certificate signing requests: what is certified, and what is refused.
#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "core/openssl.hpp"
#include "core/pki.hpp"
#include "core/pki_pin.hpp"

namespace kscpush::pki {
namespace {

constexpr WallTime kNow{std::chrono::hours(24 * 365 * 50)};
const DeviceId kId = *DeviceId::parse("pc-1");

KeyPair authority() {
  return *create_authority("Site", kNow, std::chrono::days(100));
}

// A request of KEY, signed by SIGNER, that says it is of "pc-9".
std::string request_of(EVP_PKEY* key, EVP_PKEY* signer) {
  const openssl::Request request(X509_REQ_new());
  X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName,
                             MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("pc-9"), -1, -1,
                             0);
  REQUIRE(X509_REQ_set_pubkey(request.get(), key) == 1);
  REQUIRE(X509_REQ_sign(request.get(), signer, EVP_sha256()) > 0);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509_REQ(out.get(), request.get()) == 1);
  return openssl::content_of(out.get());
}

std::string request_of(EVP_PKEY* key) {
  return request_of(key, key);
}

ErrorCode refused(const std::string& request) {
  const auto certificate = certify_device(authority(), request, kId, kNow, std::chrono::days(1));
  REQUIRE_FALSE(certificate.has_value());
  CHECK_FALSE(certificate.error().message.empty());
  return certificate.error().code;
}

}  // namespace

TEST_CASE("a request is certified for the device that it is meant for") {
  const auto request = create_request();
  REQUIRE(request.has_value());
  const auto certificate =
      certify_device(authority(), request->request, kId, kNow, std::chrono::days(30));
  REQUIRE(certificate.has_value());
  CHECK(*device_id_of(*certificate) == kId);
  CHECK(check_key_fits(*certificate, request->key).has_value());
  const auto info = inspect(*certificate);
  REQUIRE(info.has_value());
  CHECK(info->not_after == kNow + std::chrono::days(30));
  CHECK(check_request(request->request)->size() == 64);
  CHECK(*check_request(request->request) == *check_request(request->request));
  CHECK(*check_request(request->request) != *check_request(create_request()->request));
}

TEST_CASE("names in a request mean nothing") {
  const openssl::Key key(EVP_EC_gen("P-384"));
  const auto certificate =
      certify_device(authority(), request_of(key.get()), kId, kNow, std::chrono::days(30));
  REQUIRE(certificate.has_value());
  CHECK(*device_id_of(*certificate) == kId);
  CHECK(inspect(*certificate)->subject == "CN=pc-1");
}

TEST_CASE("weak keys are not certified") {
  const openssl::Key short_rsa(EVP_RSA_gen(1024));
  CHECK(refused(request_of(short_rsa.get())) == ErrorCode::kDenied);
  const openssl::Key weak_curve(EVP_EC_gen("P-192"));
  CHECK(refused(request_of(weak_curve.get())) == ErrorCode::kDenied);
  const openssl::Key odd_curve(EVP_EC_gen("secp256k1"));
  CHECK(refused(request_of(odd_curve.get())) == ErrorCode::kDenied);
  const openssl::Key good(EVP_RSA_gen(2048));
  CHECK(check_request(request_of(good.get())).has_value());
}

TEST_CASE("a request that its key has not signed is not certified") {
  const openssl::Key key(EVP_EC_gen("P-256"));
  const openssl::Key other(EVP_EC_gen("P-256"));
  CHECK(refused(request_of(key.get(), other.get())) == ErrorCode::kUsage);
}

TEST_CASE("what is no request is not certified") {
  CHECK(refused("") == ErrorCode::kUsage);
  CHECK(refused("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n") ==
        ErrorCode::kUsage);
  CHECK(refused(authority().certificate) == ErrorCode::kUsage);
}

TEST_CASE("a certificate is to be renewed after two thirds of its life") {
  CertificateInfo info;
  info.not_before = kNow;
  info.not_after = kNow + std::chrono::hours(3);
  CHECK(renewal_due(info) == kNow + std::chrono::hours(2));
}

TEST_CASE("the names of a server certificate, and whom it is for") {
  const auto server =
      issue_server(authority(), "dp-1", {"dp-1.example.com", "127.0.0.1", "2001:db8::1"}, kNow,
                   std::chrono::days(1));
  REQUIRE(server.has_value());
  const std::string& pem = server->certificate;
  CHECK(*server_names(pem) ==
        std::vector<std::string>{"dp-1.example.com", "127.0.0.1", "2001:db8::1"});
  CHECK(*is_for_host(pem, "dp-1.example.com"));
  CHECK(*is_for_host(pem, "127.0.0.1"));
  CHECK_FALSE(*is_for_host(pem, "127.0.0.2"));
  CHECK_FALSE(*is_for_host(pem, "dp-2.example.com"));
}

TEST_CASE("the authority that has issued a certificate is found among several") {
  const KeyPair issuer = authority();
  const KeyPair other = authority();  // of the same name, with another key
  const auto server = issue_server(issuer, "dp-1", {"localhost"}, kNow, std::chrono::days(1));
  REQUIRE(server.has_value());
  const auto found = issuer_among(server->certificate, other.certificate + issuer.certificate);
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  CHECK(inspect(**found)->fingerprint == inspect(issuer.certificate)->fingerprint);
  CHECK_FALSE(issuer_among(server->certificate, other.certificate)->has_value());
  CHECK_FALSE(issuer_among(server->certificate, "")->has_value());
}

TEST_CASE("a certificate that is known by its hash comes alone, whatever stands behind it") {
  const KeyPair right = authority();
  const KeyPair other = authority();
  const std::string hash = inspect(right.certificate)->fingerprint;
  CHECK(certificate_with(hash, right.certificate) == right.certificate);
  CHECK(certificate_with(hash, right.certificate + other.certificate) == right.certificate);
  CHECK_FALSE(certificate_with(hash, other.certificate + right.certificate).has_value());
  CHECK_FALSE(certificate_with(hash, "").has_value());
}

}  // namespace kscpush::pki

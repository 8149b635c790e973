#include "tests/support/net/crl.hpp"

#include <ctime>
#include <memory>
#include <stdexcept>

#include <openssl/pem.h>

#include "core/openssl.hpp"

namespace kscpush::test {
namespace {

void must(bool holds) {
  if (!holds) throw std::runtime_error("cannot make a revocation list");
}

void revoke(X509_CRL* list, const std::string& certificate_pem, std::time_t at) {
  const auto certificate = openssl::read_certificate(certificate_pem).value();
  X509_REVOKED* const entry = X509_REVOKED_new();
  const std::unique_ptr<ASN1_TIME, openssl::Freed<ASN1_TIME_free>> when(ASN1_TIME_set(nullptr, at));
  must(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.get())) == 1);
  must(X509_REVOKED_set_revocationDate(entry, when.get()) == 1);
  must(X509_CRL_add0_revoked(list, entry) == 1);
}

}  // namespace

std::string make_crl(const pki::KeyPair& authority, const CrlSpec& spec) {
  const auto certificate = openssl::read_certificate(authority.certificate).value();
  const auto key = openssl::read_key(authority.key.str()).value();
  const std::unique_ptr<X509_CRL, openssl::Freed<X509_CRL_free>> list(X509_CRL_new());
  const std::time_t begin = std::time(nullptr) - std::chrono::seconds(spec.age).count();
  const std::unique_ptr<ASN1_TIME, openssl::Freed<ASN1_TIME_free>> last(
      ASN1_TIME_set(nullptr, begin));
  const std::unique_ptr<ASN1_TIME, openssl::Freed<ASN1_TIME_free>> next(
      ASN1_TIME_set(nullptr, begin + std::chrono::seconds(spec.lasts).count()));
  must(X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1);
  must(X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate.get())) == 1);
  must(X509_CRL_set1_lastUpdate(list.get(), last.get()) == 1);
  must(X509_CRL_set1_nextUpdate(list.get(), next.get()) == 1);
  if (spec.critical_extension != 0) {
    const openssl::Asn1Integer number(ASN1_INTEGER_new());
    must(ASN1_INTEGER_set(number.get(), 1) == 1);
    must(X509_CRL_add1_ext_i2d(list.get(), spec.critical_extension, number.get(), 1, 0) == 1);
  }
  for (const std::string& revoked : spec.revoked) revoke(list.get(), revoked, begin);
  X509_CRL_sort(list.get());
  must(X509_CRL_sign(list.get(), key.get(), EVP_sha256()) > 0);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_X509_CRL(out.get(), list.get()) == 1);
  const char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);  // NOLINT: OpenSSL's own cast
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace kscpush::test

// Owners of OpenSSL's objects, and its errors in words. For the sources that speak OpenSSL; no
// header that others include needs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/result.hpp"

namespace kscpush::openssl {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Asn1Integer = std::unique_ptr<ASN1_INTEGER, Freed<ASN1_INTEGER_free>>;
using Asn1String = std::unique_ptr<ASN1_STRING, Freed<ASN1_STRING_free>>;
using Asn1OctetString = std::unique_ptr<ASN1_OCTET_STRING, Freed<ASN1_OCTET_STRING_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using GeneralName = std::unique_ptr<GENERAL_NAME, Freed<GENERAL_NAME_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Request = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

// The reason of this thread's last OpenSSL error, whose queue is empty afterwards.
[[nodiscard]] std::string last_reason();
// "cannot WHAT: reason"
[[nodiscard]] tl::unexpected<Error> failed(ErrorCode code, std::string_view what);

// What was written to a memory BIO.
[[nodiscard]] std::string content_of(BIO* bio);

// Since 1970; 0 for what cannot be read: long over.
[[nodiscard]] std::int64_t seconds_of(const ASN1_TIME* time);

// The first certificate, or key, of a PEM text. kInvalidConfig: none that can be read. An encrypted
// key is an error; nobody is asked for a password.
[[nodiscard]] Result<Certificate> read_certificate(std::string_view pem);
[[nodiscard]] Result<Key> read_key(std::string_view pem);
// The same of a certificate signing request, but kUsage.
[[nodiscard]] Result<Request> read_request(std::string_view pem);

}  // namespace kscpush::openssl

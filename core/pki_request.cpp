// Certificate signing requests: making them, and judging those of others.
#include <array>

#include <openssl/pem.h>

#include "core/openssl.hpp"
#include "core/pki.hpp"

namespace kscpush::pki {
namespace {

using openssl::failed;

constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 4096;  // what is larger costs whoever verifies more than it gives

bool taken_curve(const EVP_PKEY* key) {
  std::array<char, 32> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return false;
  const std::string_view curve(name.data(), size);
  return curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1";
}

Status check_key(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  const bool taken = EVP_PKEY_is_a(key, "ED25519") == 1 ||
                     (rsa && bits >= kLeastRsaBits && bits <= kMostRsaBits) ||
                     (EVP_PKEY_is_a(key, "EC") == 1 && taken_curve(key));
  ERR_clear_error();
  if (!taken) {
    const char* const type = EVP_PKEY_get0_type_name(key);
    return fail({ErrorCode::kDenied,
                 fmt::format("a key of this kind is not certified: {} with {} bits",
                             type == nullptr ? "unknown" : type, bits),
                 "make one with: openssl genpkey -algorithm EC -pkeyopt "
                 "ec_paramgen_curve:P-256"});
  }
  const std::unique_ptr<EVP_PKEY_CTX, openssl::Freed<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const bool sound = context != nullptr && EVP_PKEY_public_check_quick(context.get()) == 1;
  ERR_clear_error();
  if (sound) return {};
  return fail({ErrorCode::kDenied, "the key of the certificate signing request is not sound",
               "make a new key, and a request for it"});
}

Result<std::string> hash_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size < 0) return failed(ErrorCode::kFailed, "write the public key");
  const std::string_view bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  std::string hash = sha256_hex(bytes);
  OPENSSL_free(der);
  return hash;
}

}  // namespace

Result<SigningRequest> create_request() {
  const openssl::Key key(EVP_EC_gen("P-256"));
  const openssl::Request request(X509_REQ_new());
  if (key == nullptr || request == nullptr) return failed(ErrorCode::kFailed, "generate a key");
  const bool made = X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
                    X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0;
  const openssl::Bio request_out(BIO_new(BIO_s_mem()));
  const openssl::Bio key_out(BIO_new(BIO_s_secmem()));
  const bool written = made && request_out != nullptr && key_out != nullptr &&
                       PEM_write_bio_X509_REQ(request_out.get(), request.get()) == 1 &&
                       PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0,
                                                     nullptr, nullptr) == 1;
  if (!written) return failed(ErrorCode::kFailed, "make a certificate signing request");
  return SigningRequest{openssl::content_of(request_out.get()),
                        Secret(openssl::content_of(key_out.get()))};
}

Result<std::string> check_request(std::string_view request_pem) {
  const auto request = openssl::read_request(request_pem);
  if (!request) return fail(request.error());
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request->get());
  if (key == nullptr) return failed(ErrorCode::kUsage, "read the key of the signing request");
  if (auto good = check_key(key); !good) return fail(good.error());
  if (X509_REQ_verify(request->get(), key) != 1) {
    ERR_clear_error();
    return fail({ErrorCode::kUsage,
                 "the certificate signing request is not signed by the key that it is for",
                 "make a new request with the device's own key"});
  }
  return hash_of(key);
}

}  // namespace kscpush::pki

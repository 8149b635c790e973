#include "core/pki_pin.hpp"

#include <openssl/pem.h>

#include "core/openssl.hpp"
#include "core/pki.hpp"

namespace kscpush::pki {

std::optional<std::string> certificate_with(std::string_view fingerprint, std::string_view pem) {
  const auto certificate = openssl::read_certificate(pem);
  if (!certificate || pki::fingerprint(**certificate) != fingerprint) return std::nullopt;
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr || PEM_write_bio_X509(out.get(), certificate->get()) != 1) return std::nullopt;
  return openssl::content_of(out.get());
}

}  // namespace kscpush::pki

#include "core/openssl.hpp"

#include <algorithm>
#include <ctime>
#include <limits>

#include <openssl/pem.h>

namespace kscpush::openssl {
namespace {

Bio reader(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return nullptr;
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// In place of OpenSSL's own, which would ask on the terminal.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

}  // namespace

std::string last_reason() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_peek_last_error_data(&data, &flags);
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "no reason given" : reason;
  if (data != nullptr && (flags & ERR_TXT_STRING) != 0 && *data != '\0') {
    text += fmt::format(" ({})", data);
  }
  ERR_clear_error();
  return text;
}

tl::unexpected<Error> failed(ErrorCode code, std::string_view what) {
  return fail(code, "cannot {}: {}", what, last_reason());
}

std::string content_of(BIO* bio) {
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT: OpenSSL's own cast
  return {data, static_cast<std::size_t>(std::max(0L, size))};
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

Result<Certificate> read_certificate(std::string_view pem) {
  const Bio bio = reader(pem);
  Certificate certificate(
      bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
  if (certificate == nullptr) return failed(ErrorCode::kInvalidConfig, "read the certificate");
  return certificate;
}

Result<Key> read_key(std::string_view pem) {
  const Bio bio = reader(pem);
  Key key(bio == nullptr ? nullptr
                         : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key != nullptr) return key;
  if (pem.find("ENCRYPTED") != std::string_view::npos) {
    ERR_clear_error();
    return fail({ErrorCode::kInvalidConfig, "cannot read the private key: it is encrypted",
                 "decrypt it: openssl pkey -in KEY -out NEW-KEY"});
  }
  return failed(ErrorCode::kInvalidConfig, "read the private key");
}

Result<Request> read_request(std::string_view pem) {
  const Bio bio = reader(pem);
  Request request(bio == nullptr ? nullptr
                                 : PEM_read_bio_X509_REQ(bio.get(), nullptr, no_password, nullptr));
  if (request == nullptr) return failed(ErrorCode::kUsage, "read the certificate signing request");
  return request;
}

}  // namespace kscpush::openssl

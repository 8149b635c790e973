// What certificates say: identities, validity, fingerprints.
#include <algorithm>
#include <array>
#include <ctime>
#include <span>

#include <arpa/inet.h>
#include <openssl/sha.h>

#include "core/openssl.hpp"
#include "core/pki.hpp"

namespace kscpush::pki {
namespace {

using openssl::failed;

std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

Result<WallTime> to_wall(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return failed(ErrorCode::kInvalidConfig, "read the certificate's validity");
  }
  using namespace std::chrono;
  const year_month_day day{year(parts.tm_year + 1900),
                           month(static_cast<unsigned>(parts.tm_mon + 1)),
                           std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  return WallTime{sys_days(day)} + hours(parts.tm_hour) + minutes(parts.tm_min) +
         seconds(parts.tm_sec);
}

std::string subject_of(const X509* certificate) {
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  constexpr unsigned long kReadable =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (out == nullptr ||
      X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, kReadable) < 0) {
    ERR_clear_error();
    return {};
  }
  return openssl::content_of(out.get());
}

tl::unexpected<Error> no_device(std::string_view why) {
  return fail({ErrorCode::kDenied, fmt::format("the certificate is of no device: {}", why),
               "enrol the device: kscpush device enroll DEVICE"});
}

Result<std::string> common_name_of(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0) return std::string();
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0) {
    return no_device("it has several common names (CN)");
  }
  unsigned char* bytes = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)));
  if (size < 0) return no_device("its common name (CN) cannot be read: " + openssl::last_reason());
  std::string text(bytes, bytes + size);
  OPENSSL_free(bytes);
  if (text.empty()) return no_device("its common name (CN) is empty");
  return text;
}

// What follows urn:kscpush:device: in the SAN, one by one.
std::vector<std::string> device_uris_of(const X509* certificate) {
  std::vector<std::string> ids;
  const openssl::GeneralNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const value = name->d.uniformResourceIdentifier;
    const unsigned char* const data = ASN1_STRING_get0_data(value);
    const std::string text(data, data + ASN1_STRING_length(value));
    if (text.starts_with(kDeviceUri)) ids.push_back(text.substr(kDeviceUri.size()));
  }
  return ids;
}

}  // namespace

std::string sha256_hex(std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return to_hex(digest);
}

std::string fingerprint(const x509_st& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest.data(), &size) != 1) {
    ERR_clear_error();
    return {};
  }
  return to_hex(std::span(digest).first(size));
}

Result<CertificateInfo> inspect(std::string_view certificate_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  const auto not_before = to_wall(X509_get0_notBefore(certificate->get()));
  if (!not_before) return fail(not_before.error());
  const auto not_after = to_wall(X509_get0_notAfter(certificate->get()));
  if (!not_after) return fail(not_after.error());
  return CertificateInfo{subject_of(certificate->get()), fingerprint(**certificate), *not_before,
                         *not_after};
}

WallTime renewal_due(const CertificateInfo& certificate) {
  return certificate.not_before + (certificate.not_after - certificate.not_before) * 2 / 3;
}

Result<bool> is_for_host(std::string_view certificate_pem, std::string_view host) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  const std::string name(host);
  return X509_check_ip_asc(certificate->get(), name.c_str(), 0) == 1 ||
         X509_check_host(certificate->get(), name.data(), name.size(), 0, nullptr) == 1;
}

Result<std::vector<std::string>> server_names(std::string_view certificate_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  std::vector<std::string> found;
  const openssl::GeneralNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate->get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const auto* const value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    const std::span bytes(ASN1_STRING_get0_data(value),
                          static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (type == GEN_DNS) found.emplace_back(bytes.begin(), bytes.end());
    if (type != GEN_IPADD) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
    if (bytes.size() != 4 && bytes.size() != 16) continue;
    if (inet_ntop(family, bytes.data(), text.data(), text.size()) != nullptr) {
      found.emplace_back(text.data());
    }
  }
  return found;
}

Result<std::optional<std::string>> issuer_among(std::string_view certificate_pem,
                                                std::string_view authorities_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  for (auto at = authorities_pem.find(kBegin); at != std::string_view::npos;
       at = authorities_pem.find(kBegin, at + 1)) {
    const auto authority = openssl::read_certificate(authorities_pem.substr(at));
    if (!authority) return fail(authority.error());
    const bool issued = X509_check_issued(authority->get(), certificate->get()) == X509_V_OK &&
                        X509_verify(certificate->get(), X509_get0_pubkey(authority->get())) == 1;
    ERR_clear_error();
    if (!issued) continue;
    const auto end = authorities_pem.find(kEnd, at);  // there is one, as it was read
    return fmt::format("{}\n", authorities_pem.substr(at, end + kEnd.size() - at));
  }
  return std::nullopt;
}

Result<DeviceId> device_id_of(const x509_st& certificate) {
  const auto common_name = common_name_of(&certificate);
  if (!common_name) return fail(common_name.error());
  std::vector<std::string> candidates = device_uris_of(&certificate);
  if (!common_name->empty()) candidates.push_back(*common_name);
  if (candidates.empty()) {
    return no_device(
        fmt::format("it has neither a common name (CN) nor {}ID in its SAN", kDeviceUri));
  }
  for (const std::string& candidate : candidates) {
    if (candidate.find('\0') != std::string::npos) return no_device("its name holds a NUL byte");
    if (candidate != candidates.front()) return no_device("its names differ from one another");
  }
  const auto id = DeviceId::parse(candidates.front());
  if (!id) return no_device(id.error().message);
  return *id;
}

Result<DeviceId> device_id_of(std::string_view certificate_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  return device_id_of(**certificate);
}

Status check_key_fits(std::string_view certificate_pem, const Secret& key_pem) {
  const auto certificate = openssl::read_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  const auto key = openssl::read_key(key_pem.str());
  if (!key) return fail(key.error());
  if (X509_check_private_key(certificate->get(), key->get()) == 1) return {};
  ERR_clear_error();
  return fail({ErrorCode::kInvalidConfig, "the private key is not the certificate's",
               "give the key that the certificate was made for, or issue both anew"});
}

}  // namespace kscpush::pki

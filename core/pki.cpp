#include "core/pki.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "core/openssl.hpp"
#include "core/words.hpp"

namespace kscpush::pki {
namespace {

using openssl::failed;

constexpr std::chrono::minutes kBackdate{5};
constexpr std::size_t kMaxCommonName = 64;  // X.509's ub-common-name
constexpr std::size_t kMaxDnsName = 253;

std::time_t to_time_t(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// Who signs: the issuer's certificate and key. The certificate is null while it signs itself.
struct Signer {
  openssl::Certificate certificate;
  openssl::Key key;
};

Result<Signer> open_authority(const KeyPair& authority, WallTime now) {
  auto certificate = openssl::read_certificate(authority.certificate);
  if (!certificate) return fail(within("certificate authority", certificate.error()));
  auto key = openssl::read_key(authority.key.str());
  if (!key) return fail(within("certificate authority", key.error()));
  if (X509_check_ca(certificate->get()) == 0) {
    return fail(ErrorCode::kInvalidConfig,
                "certificate authority: the certificate is not one of an authority");
  }
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    return failed(ErrorCode::kInvalidConfig, "use the certificate authority's key");
  }
  std::time_t at = to_time_t(now);
  if (X509_cmp_time(X509_get0_notAfter(certificate->get()), &at) < 0) {
    return fail({ErrorCode::kInvalidConfig, "certificate authority: the certificate has expired",
                 "create a new authority, and certificates of it for servers and devices"});
  }
  return Signer{std::move(*certificate), std::move(*key)};
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  const openssl::BigNumber number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_validity(X509* certificate, const X509* authority, WallTime now,
                  std::chrono::days validity) {
  std::time_t end = to_time_t(now + validity);
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), to_time_t(now - kBackdate)) == nullptr) {
    return false;
  }
  const ASN1_TIME* const last = authority == nullptr ? nullptr : X509_get0_notAfter(authority);
  if (last != nullptr && X509_cmp_time(last, &end) < 0) {
    return X509_set1_notAfter(certificate, last) == 1;
  }
  return ASN1_TIME_set(X509_getm_notAfter(certificate), end) != nullptr;
}

bool set_common_name(X509* certificate, std::string_view name) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  if (name.empty() || name.size() > kMaxCommonName) return true;  // then the SAN has it
  std::array<unsigned char, kMaxCommonName> bytes{};
  std::ranges::copy(name, bytes.begin());
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, bytes.data(),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

struct ExtensionText {
  int nid;
  const char* value;  // as in openssl.cnf
};

bool add_extensions(X509* certificate, X509* issuer, const std::vector<ExtensionText>& texts) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  return std::ranges::all_of(texts, [&](const ExtensionText& text) {
    const openssl::Extension extension(
        X509V3_EXT_nconf_nid(nullptr, &context, text.nid, text.value));
    return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
  });
}

// Critical when there is no subject, as RFC 5280 4.1.2.6 has it.
bool add_alternative_names(X509* certificate, const GENERAL_NAMES* names) {
  const bool critical = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, const_cast<GENERAL_NAMES*>(names),
                           critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
}

bool sign(X509* certificate, EVP_PKEY* key) {
  const bool own_digest = EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1;
  return X509_sign(certificate, key, own_digest ? nullptr : EVP_sha256()) > 0;
}

Result<KeyPair> to_pem(X509* certificate, EVP_PKEY* key) {
  const openssl::Bio certificate_out(BIO_new(BIO_s_mem()));
  const openssl::Bio key_out(BIO_new(BIO_s_secmem()));
  const bool done =
      certificate_out != nullptr && key_out != nullptr &&
      PEM_write_bio_X509(certificate_out.get(), certificate) == 1 &&
      PEM_write_bio_PKCS8PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!done) return failed(ErrorCode::kFailed, "write the certificate");
  return KeyPair{openssl::content_of(certificate_out.get()),
                 Secret(openssl::content_of(key_out.get()))};
}

// What differs between the kinds of certificates.
struct Request {
  std::string_view common_name;
  std::vector<ExtensionText> extensions;
  const GENERAL_NAMES* names = nullptr;
};

// Of KEY. SIGNER null: the certificate signs itself.
Result<openssl::Certificate> certify(const Request& request, EVP_PKEY* key, const Signer* signer,
                                     WallTime now, std::chrono::days validity) {
  if (validity <= std::chrono::days(0) || validity > std::chrono::days(365 * 100)) {
    return fail(ErrorCode::kUsage, "a certificate's validity is 1 to 36500 days, not {}",
                validity.count());
  }
  openssl::Certificate certificate(X509_new());
  if (certificate == nullptr) return failed(ErrorCode::kFailed, "create a certificate");
  X509* const x509 = certificate.get();
  X509* const issuer = signer == nullptr ? x509 : signer->certificate.get();
  const bool filled = X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
                      set_validity(x509, signer == nullptr ? nullptr : issuer, now, validity) &&
                      set_common_name(x509, request.common_name) &&
                      X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
                      X509_set_pubkey(x509, key) == 1 &&
                      add_extensions(x509, issuer, request.extensions) &&
                      (request.names == nullptr || add_alternative_names(x509, request.names));
  if (!filled) return failed(ErrorCode::kFailed, "create a certificate");
  if (!sign(x509, signer == nullptr ? key : signer->key.get())) {
    return failed(ErrorCode::kFailed, "sign the certificate");
  }
  return certificate;
}

// With a key of its own.
Result<KeyPair> make(const Request& request, const Signer* signer, WallTime now,
                     std::chrono::days validity) {
  const openssl::Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) return failed(ErrorCode::kFailed, "generate a key");
  const auto certificate = certify(request, key.get(), signer, now, validity);
  if (!certificate) return fail(certificate.error());
  return to_pem(certificate->get(), key.get());
}

bool add_text_name(GENERAL_NAMES* names, int type, std::string_view text) {
  openssl::GeneralName name(GENERAL_NAME_new());
  openssl::Asn1String value(ASN1_IA5STRING_new());
  if (name == nullptr || value == nullptr) return false;
  if (ASN1_STRING_set(value.get(), text.data(), static_cast<int>(text.size())) != 1) return false;
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) return false;
  static_cast<void>(name.release());
  return true;
}

bool dns_name(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kMaxDnsName && text.front() != '.' &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(text, fits);
}

Status add_server_name(GENERAL_NAMES* names, const std::string& text) {
  const bool embedded_nul = text.find('\0') != std::string::npos;
  openssl::Asn1OctetString address(embedded_nul ? nullptr : a2i_IPADDRESS(text.c_str()));
  if (address == nullptr) {
    ERR_clear_error();
    if (!dns_name(text)) {
      return fail({ErrorCode::kUsage,
                   fmt::format("'{}' cannot be in a server certificate", text.substr(0, 260)),
                   "give the server's DNS names and IP addresses, as devices use them"});
    }
    if (add_text_name(names, GEN_DNS, text)) return {};
    return failed(ErrorCode::kFailed, "add a name to the certificate");
  }
  openssl::GeneralName name(GENERAL_NAME_new());
  if (name == nullptr) return failed(ErrorCode::kFailed, "add a name to the certificate");
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) {
    return failed(ErrorCode::kFailed, "add a name to the certificate");
  }
  static_cast<void>(name.release());
  return {};
}

Status check_common_name(std::string_view name) {
  if (!has_controls(name)) return {};
  return fail(ErrorCode::kUsage, "a certificate's common name cannot hold control characters");
}

Result<openssl::GeneralNames> device_names(const DeviceId& id) {
  openssl::GeneralNames list(GENERAL_NAMES_new());
  if (list == nullptr || !add_text_name(list.get(), GEN_URI, std::string(kDeviceUri) + id.str())) {
    return failed(ErrorCode::kFailed, "create a certificate");
  }
  return list;
}

std::vector<ExtensionText> end_certificate(const char* purpose) {
  return {{NID_basic_constraints, "critical,CA:FALSE"},
          {NID_key_usage, "critical,digitalSignature"},
          {NID_ext_key_usage, purpose},
          {NID_subject_key_identifier, "hash"},
          {NID_authority_key_identifier, "keyid"}};
}

}  // namespace

Result<KeyPair> create_authority(std::string_view common_name, WallTime now,
                                 std::chrono::days validity) {
  if (common_name.empty() || common_name.size() > kMaxCommonName) {
    return fail(ErrorCode::kUsage, "a certificate authority's name is 1 to {} bytes, not {}",
                kMaxCommonName, common_name.size());
  }
  if (auto fits = check_common_name(common_name); !fits) return fail(fits.error());
  const Request request{common_name,
                        {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                         {NID_key_usage, "critical,keyCertSign,cRLSign"},
                         {NID_subject_key_identifier, "hash"}}};
  return make(request, nullptr, now, validity);
}

Result<KeyPair> issue_server(const KeyPair& authority, std::string_view common_name,
                             const std::vector<std::string>& names, WallTime now,
                             std::chrono::days validity) {
  if (auto fits = check_common_name(common_name); !fits) return fail(fits.error());
  if (names.empty()) {
    return fail({ErrorCode::kUsage, "a server certificate needs at least one name",
                 "give the server's DNS names and IP addresses, as devices use them"});
  }
  const auto signer = open_authority(authority, now);
  if (!signer) return fail(signer.error());
  const openssl::GeneralNames list(GENERAL_NAMES_new());
  if (list == nullptr) return failed(ErrorCode::kFailed, "create a certificate");
  for (const std::string& name : names) {
    if (auto added = add_server_name(list.get(), name); !added) return fail(added.error());
  }
  return make({common_name, end_certificate("serverAuth"), list.get()}, &*signer, now, validity);
}

Result<KeyPair> issue_device(const KeyPair& authority, std::string_view device_id, WallTime now,
                             std::chrono::days validity) {
  const auto id = DeviceId::parse(device_id);
  if (!id) return fail(id.error());
  const auto signer = open_authority(authority, now);
  if (!signer) return fail(signer.error());
  const auto names = device_names(*id);
  if (!names) return fail(names.error());
  return make({id->str(), end_certificate("clientAuth"), names->get()}, &*signer, now, validity);
}

Result<std::string> certify_device(const KeyPair& authority, std::string_view request_pem,
                                   const DeviceId& id, WallTime now, std::chrono::days validity) {
  if (const auto good = check_request(request_pem); !good) return fail(good.error());
  const auto request = openssl::read_request(request_pem);
  if (!request) return fail(request.error());
  const auto signer = open_authority(authority, now);
  if (!signer) return fail(signer.error());
  const auto names = device_names(id);
  if (!names) return fail(names.error());
  const auto certificate = certify({id.str(), end_certificate("clientAuth"), names->get()},
                                   X509_REQ_get0_pubkey(request->get()), &*signer, now, validity);
  if (!certificate) return fail(certificate.error());
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr || PEM_write_bio_X509(out.get(), certificate->get()) != 1) {
    return failed(ErrorCode::kFailed, "write the certificate");
  }
  return openssl::content_of(out.get());
}

Result<SharedKeyDevices> issue_devices(const KeyPair& authority, const std::vector<DeviceId>& ids,
                                       WallTime now, std::chrono::days validity) {
  const auto signer = open_authority(authority, now);
  if (!signer) return fail(signer.error());
  const openssl::Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) return failed(ErrorCode::kFailed, "generate a key");
  SharedKeyDevices devices;
  devices.certificates.reserve(ids.size());
  for (const DeviceId& id : ids) {
    const auto names = device_names(id);
    if (!names) return fail(names.error());
    const Request request{id.str(), end_certificate("clientAuth"), names->get()};
    const auto certificate = certify(request, key.get(), &*signer, now, validity);
    if (!certificate) return fail(certificate.error());
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate->get(), &der);
    if (size < 0) return failed(ErrorCode::kFailed, "write the certificate");
    devices.certificates.emplace_back(reinterpret_cast<const char*>(der),
                                      static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  const openssl::Bio out(BIO_new(BIO_s_secmem()));
  if (out == nullptr || PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return failed(ErrorCode::kFailed, "write the key");
  }
  devices.key = Secret(openssl::content_of(out.get()));
  return devices;
}

Secret random_token() {
  std::array<unsigned char, 32> bytes{};
  // A token that can be guessed is worse than none.
  if (RAND_priv_bytes(bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("no random numbers");
  }
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  text.reserve(43);  // of which no copy must stay in memory
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 6) {
    const unsigned high = bytes.at(bit / 8);
    const unsigned low = bit / 8 + 1 < bytes.size() ? bytes.at(bit / 8 + 1) : 0U;
    text += kAlphabet[((high << 8U | low) >> (10U - bit % 8)) & 63U];
  }
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return Secret(std::move(text));
}

}  // namespace kscpush::pki

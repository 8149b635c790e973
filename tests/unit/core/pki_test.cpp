#include "core/pki.hpp"

#include <set>

#include <doctest/doctest.h>
#include <openssl/pem.h>

#include "core/openssl.hpp"
#include "tests/support/fake_clock.hpp"

namespace kscpush::pki {
namespace {

using std::chrono::days;
using std::chrono::minutes;

const WallTime kNow = test::FakeClock().wall();

const KeyPair& authority() {
  static const KeyPair made = create_authority("Test CA", kNow, days(3650)).value();
  return made;
}

openssl::Certificate parse(const KeyPair& pair) {
  return std::move(openssl::read_certificate(pair.certificate).value());
}

// What a TLS peer would decide.
bool trusted(const KeyPair& pair, int purpose, WallTime at, const KeyPair& anchor = authority()) {
  const openssl::Certificate root = parse(anchor);
  const openssl::Certificate leaf = parse(pair);
  const std::unique_ptr<X509_STORE, openssl::Freed<X509_STORE_free>> store(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, openssl::Freed<X509_STORE_CTX_free>> context(
      X509_STORE_CTX_new());
  X509_STORE_add_cert(store.get(), root.get());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(
      parameters, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  return X509_verify_cert(context.get()) == 1;
}

std::string extension_text(const KeyPair& pair, int nid) {
  const openssl::Certificate certificate = parse(pair);
  const int at = X509_get_ext_by_NID(certificate.get(), nid, -1);
  if (at < 0) return "(none)";
  X509_EXTENSION* const extension = X509_get_ext(certificate.get(), at);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(out.get(), extension, 0, 0);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(
      std::max(0, BIO_read(out.get(), text.data(), static_cast<int>(text.size())))));
  return (X509_EXTENSION_get_critical(extension) == 1 ? "critical " : "") + text;
}

// A certificate with names as an attacker, or another authority, might have them.
struct Names {
  std::vector<std::string> common_names;
  std::vector<std::string> uris;
};
Result<DeviceId> id_of(const Names& names) {
  const openssl::Certificate certificate(X509_new());
  for (const std::string& name : names.common_names) {
    X509_NAME_add_entry_by_NID(
        X509_get_subject_name(certificate.get()), NID_commonName, V_ASN1_UTF8STRING,
        reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  }
  const openssl::GeneralNames list(GENERAL_NAMES_new());
  for (const std::string& uri : names.uris) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, uri.data(), static_cast<int>(uri.size()));
    GENERAL_NAME_set0_value(name, GEN_URI, value);
    sk_GENERAL_NAME_push(list.get(), name);
  }
  if (!names.uris.empty()) {
    X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT);
  }
  return device_id_of(*certificate);
}

}  // namespace

TEST_CASE("pki: an authority that may sign end certificates and revocation lists only") {
  CHECK(extension_text(authority(), NID_basic_constraints) == "critical CA:TRUE, pathlen:0");
  CHECK(extension_text(authority(), NID_key_usage) == "critical Certificate Sign, CRL Sign");
  CHECK(extension_text(authority(), NID_subject_key_identifier) != "(none)");
  CHECK(check_key_fits(authority().certificate, authority().key).has_value());
  const CertificateInfo info = inspect(authority().certificate).value();
  CHECK(info.subject == "CN=Test CA");
  CHECK(info.not_before == kNow - minutes(5));
  CHECK(info.not_after == kNow + days(3650));
  CHECK(info.fingerprint.size() == 64);
}

TEST_CASE("pki: a server certificate is for its names and for servers") {
  const KeyPair server =
      issue_server(authority(), "dp-1.example.com",
                   {"dp-1.example.com", "*.push.example.com", "192.0.2.7", "2001:db8::1"}, kNow,
                   days(365))
          .value();
  CHECK(extension_text(server, NID_subject_alt_name) ==
        "DNS:dp-1.example.com, DNS:*.push.example.com, IP Address:192.0.2.7, "
        "IP Address:2001:DB8:0:0:0:0:0:1");
  CHECK(extension_text(server, NID_ext_key_usage) == "TLS Web Server Authentication");
  CHECK(extension_text(server, NID_authority_key_identifier)
            .find(extension_text(authority(), NID_subject_key_identifier)) != std::string::npos);
  CHECK(check_key_fits(server.certificate, server.key).has_value());
  CHECK(trusted(server, X509_PURPOSE_SSL_SERVER, kNow));
  CHECK_FALSE(trusted(server, X509_PURPOSE_SSL_CLIENT, kNow));
  const openssl::Certificate certificate = parse(server);
  CHECK(X509_check_host(certificate.get(), "dp-1.example.com", 0, 0, nullptr) == 1);
  CHECK(X509_check_host(certificate.get(), "dp-2.example.com", 0, 0, nullptr) == 0);
  CHECK(X509_check_ip_asc(certificate.get(), "192.0.2.7", 0) == 1);
}

TEST_CASE("pki: a device certificate is for clients and carries the device id twice") {
  const KeyPair device = issue_device(authority(), "pc-7.berlin_A:1", kNow, days(90)).value();
  CHECK(inspect(device.certificate)->subject == "CN=pc-7.berlin_A:1");
  CHECK(extension_text(device, NID_subject_alt_name) == "URI:urn:kscpush:device:pc-7.berlin_A:1");
  CHECK(extension_text(device, NID_ext_key_usage) == "TLS Web Client Authentication");
  CHECK(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow));
  CHECK_FALSE(trusted(device, X509_PURPOSE_SSL_SERVER, kNow));
  CHECK(device_id_of(device.certificate)->str() == "pc-7.berlin_A:1");
}

TEST_CASE("pki: a device id too long for a common name is in the SAN alone") {
  const std::string longest(DeviceId::kMaxLength, 'x');
  const KeyPair device = issue_device(authority(), longest, kNow, days(90)).value();
  CHECK(inspect(device.certificate)->subject.empty());
  CHECK(extension_text(device, NID_subject_alt_name) ==
        "critical URI:urn:kscpush:device:" + longest);
  CHECK(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow));
  CHECK(device_id_of(device.certificate)->str() == longest);
}

TEST_CASE("pki: validity starts five minutes ago and never outlives the authority") {
  const KeyPair device = issue_device(authority(), "d", kNow, days(90)).value();
  CHECK(inspect(device.certificate)->not_before == kNow - minutes(5));
  CHECK(inspect(device.certificate)->not_after == kNow + days(90));
  CHECK(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow - minutes(4)));
  CHECK_FALSE(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow - minutes(6)));
  CHECK_FALSE(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow + days(91)));
  const KeyPair longer = issue_device(authority(), "d", kNow, days(9999)).value();
  CHECK(inspect(longer.certificate)->not_after == kNow + days(3650));
  const auto late = issue_device(authority(), "d", kNow + days(3651), days(1));
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().message == "certificate authority: the certificate has expired");
  for (const int length : {0, -1, 36501}) {
    CHECK(issue_device(authority(), "d", kNow, days(length)).error().code == ErrorCode::kUsage);
  }
}

TEST_CASE("pki: serial numbers and keys do not repeat") {
  std::set<std::string> serials;
  std::set<std::string> keys;
  for (int i = 0; i < 50; ++i) {
    const KeyPair device = issue_device(authority(), "d", kNow, days(1)).value();
    const openssl::Certificate certificate = parse(device);
    const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate.get());
    const openssl::BigNumber number(ASN1_INTEGER_to_BN(serial, nullptr));
    CHECK(BN_is_negative(number.get()) == 0);
    CHECK(BN_num_bits(number.get()) <= 128);
    CHECK(BN_num_bits(number.get()) > 64);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
    CHECK(serials.insert(bytes).second);
    CHECK(keys.insert(device.key.str()).second);
  }
}

TEST_CASE("pki: many devices share one key, and each has a certificate of its own") {
  const std::vector ids{DeviceId::parse("bench-1").value(), DeviceId::parse("bench-2").value()};
  const auto devices = issue_devices(authority(), ids, kNow, days(7));
  REQUIRE(devices.has_value());
  REQUIRE(devices->certificates.size() == 2);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto* der = reinterpret_cast<const unsigned char*>(devices->certificates[i].data());
    const openssl::Certificate certificate(
        d2i_X509(nullptr, &der, static_cast<long>(devices->certificates[i].size())));
    REQUIRE(certificate != nullptr);
    CHECK(device_id_of(*certificate).value() == ids[i]);
    const auto key = openssl::read_key(devices->key.str());
    REQUIRE(key.has_value());
    CHECK(X509_check_private_key(certificate.get(), key->get()) == 1);
  }
}

TEST_CASE("pki: names that a certificate cannot hold are refused") {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a,DNS:b"), std::string("ä.example"),
        std::string("a\0b", 3), std::string("a..b"), std::string(".a"), std::string(254, 'a')}) {
    CAPTURE(name);
    const auto server = issue_server(authority(), "s", {name}, kNow, days(1));
    REQUIRE_FALSE(server.has_value());
    CHECK(server.error().code == ErrorCode::kUsage);
  }
  CHECK(issue_server(authority(), "s", {}, kNow, days(1)).error().code == ErrorCode::kUsage);
  CHECK(issue_server(authority(), "a\nb", {"s"}, kNow, days(1)).error().code == ErrorCode::kUsage);
  CHECK(create_authority("", kNow, days(1)).error().code == ErrorCode::kUsage);
  CHECK(create_authority(std::string(65, 'a'), kNow, days(1)).error().code == ErrorCode::kUsage);
  CHECK(issue_device(authority(), "a/b", kNow, days(1)).error().code == ErrorCode::kUsage);
  CHECK(inspect(create_authority("Größe", kNow, days(1))->certificate)->subject == "CN=Größe");
}

TEST_CASE("pki: only an authority with its own key issues") {
  const KeyPair device = issue_device(authority(), "d", kNow, days(1)).value();
  const KeyPair other = create_authority("Other", kNow, days(1)).value();
  for (const KeyPair& wrong :
       {device, KeyPair{authority().certificate, other.key}, KeyPair{"rubbish", other.key},
        KeyPair{authority().certificate, Secret("rubbish")}, KeyPair{}}) {
    const auto issued = issue_device(wrong, "d", kNow, days(1));
    REQUIRE_FALSE(issued.has_value());
    CHECK(issued.error().code == ErrorCode::kInvalidConfig);
    CHECK_FALSE(issued.error().message.empty());
  }
  CHECK_FALSE(trusted(device, X509_PURPOSE_SSL_CLIENT, kNow, other));
  const auto fits = check_key_fits(device.certificate, other.key);
  REQUIRE_FALSE(fits.has_value());
  CHECK(fits.error().message == "the private key is not the certificate's");
  CHECK(inspect("rubbish").error().message ==
        "cannot read the certificate: no start line (Expecting: CERTIFICATE)");
}

TEST_CASE("pki: an encrypted key is an error, not a question") {
  const openssl::Key key(EVP_EC_gen("P-256"));
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), "pw", 2, nullptr,
                                        nullptr) == 1);
  std::string text(4096, '\0');
  text.resize(
      static_cast<std::size_t>(BIO_read(out.get(), text.data(), static_cast<int>(text.size()))));
  const auto fits = check_key_fits(authority().certificate, Secret(text));
  REQUIRE_FALSE(fits.has_value());
  CHECK(fits.error().message == "cannot read the private key: it is encrypted");
}

TEST_CASE("pki: the device of a peer's certificate") {
  const std::string uri(kDeviceUri);
  CHECK(id_of({{"pc-1"}, {}})->str() == "pc-1");
  CHECK(id_of({{}, {uri + "pc-1"}})->str() == "pc-1");
  CHECK(id_of({{"pc-1"}, {uri + "pc-1", "https://example.com"}})->str() == "pc-1");
  const auto refused = [](const Names& names) {
    const auto id = id_of(names);
    return id ? "accepted as " + id->str() : id.error().message;
  };
  const std::string of_none = "the certificate is of no device: ";
  CHECK(refused({}) ==
        of_none + "it has neither a common name (CN) nor urn:kscpush:device:ID in its SAN");
  CHECK(refused({{}, {"https://example.com"}}) == refused({}));
  CHECK(refused({{"pc-1", "pc-2"}, {}}) == of_none + "it has several common names (CN)");
  CHECK(refused({{"pc-1", "pc-1"}, {}}) == of_none + "it has several common names (CN)");
  CHECK(refused({{"pc-1"}, {uri + "pc-2"}}) == of_none + "its names differ from one another");
  CHECK(refused({{}, {uri + "pc-1", uri + "pc-2"}}) ==
        of_none + "its names differ from one another");
  CHECK(refused({{std::string("pc-1\0x", 6)}, {}}) == of_none + "its name holds a NUL byte");
  CHECK(refused({{}, {uri + std::string("pc-1\0x", 6)}}) == of_none + "its name holds a NUL byte");
  CHECK(refused({{"John's PC"}, {}}) == of_none + "'John's PC' is not a device id");
  CHECK(refused({{""}, {}}) == of_none + "its common name (CN) is empty");
  CHECK(id_of({}).error().code == ErrorCode::kDenied);
  CHECK(device_id_of("rubbish").error().code == ErrorCode::kInvalidConfig);
}

TEST_CASE("pki: fingerprints and digests are SHA-256 in lower-case hex") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const openssl::Certificate certificate = parse(authority());
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  REQUIRE(size > 0);
  const std::string bytes(der, der + size);
  OPENSSL_free(der);
  CHECK(fingerprint(*certificate) == sha256_hex(bytes));
  CHECK(inspect(authority().certificate)->fingerprint == fingerprint(*certificate));
}

TEST_CASE("pki: tokens are 256 random bits that fit into an HTTP header") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const Secret token = random_token();
    CHECK(token.str().size() == 43);
    CHECK(token.str().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_") == std::string::npos);
    CHECK(seen.insert(token.str()).second);
  }
}

}  // namespace kscpush::pki

// Record protection, held to the traces of RFC 8448 (section 3) and to OpenSSL's own AEADs.
#include "server/net/tls_record.hpp"

#include <limits>

#include <doctest/doctest.h>

#include "tests/support/net/tls_records.hpp"

namespace kscpush::test {
namespace {

using server::kTlsHeader;
using server::TlsKeys;
using server::TlsSecret;
using server::TlsSuite;

constexpr std::string_view kClientSecret =
    "9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 "
    "a5";
constexpr std::string_view kServerSecret =
    "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 "
    "43";
// The client's data, and the server's after its session ticket.
constexpr std::string_view kClientRecord =
    "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab "
    "3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d "
    "ea e6 3a ee bb 21 69 49 15 e4";
constexpr std::string_view kServerRecord =
    "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b "
    "36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 "
    "32 54 0d d0 32 e1 67 c2 95 5d";
constexpr std::string_view kClientAlert =
    "17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3";

// The payload of both, 00 to 31, with its inner type.
std::string payload() {
  std::string text;
  for (char c = 0; c < 50; ++c) text += c;
  return text + kDataType;
}

TlsSecret secret(std::string_view hex) {
  return TlsSecret(bytes_of(from_hex(hex)));
}

std::span<std::uint8_t> writable(std::string& text) {
  return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
}

std::string inner_of(const std::string& record) {
  return record.substr(kTlsHeader, record.size() - kTlsHeader - server::kTlsTag);
}

std::string sealed(TlsKeys& keys, std::string_view inner) {
  std::string record(kTlsHeader, '\0');
  record.append(inner).append(server::kTlsTag, '\0');
  REQUIRE(keys.seal(writable(record)));
  return record;
}

std::string expand(std::string_view secret_hex, std::string_view label, std::size_t size) {
  std::string into(size, '\0');
  REQUIRE(server::tls_expand_label(TlsSuite::kAes128GcmSha256, bytes_of(from_hex(secret_hex)),
                                   label, writable(into)));
  return into;
}

}  // namespace

TEST_CASE("TLS records: keys and IVs are those of RFC 8448") {
  CHECK(expand(kServerSecret, "key", 16) ==
        from_hex("9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56"));
  CHECK(expand(kServerSecret, "iv", 12) == from_hex("cf 78 2b 88 dd 83 54 9a ad f1 e9 84"));
  CHECK(expand(kClientSecret, "key", 16) ==
        from_hex("17 42 2d da 59 6e d5 d9 ac d8 90 e3 c6 3f 50 51"));
  CHECK(expand(kClientSecret, "iv", 12) == from_hex("5b 78 92 3d ee 08 57 90 33 e5 23 d9"));
}

TEST_CASE("TLS records: what RFC 8448's client sent is opened, one after the other") {
  TlsKeys keys;
  REQUIRE(keys.set(TlsSuite::kAes128GcmSha256, secret(kClientSecret), 0));
  std::string data = from_hex(kClientRecord);
  REQUIRE(keys.open(writable(data)));
  CHECK(inner_of(data) == payload());
  std::string alert = from_hex(kClientAlert);
  REQUIRE(keys.open(writable(alert)));
  CHECK(inner_of(alert) == from_hex("01 00 15"));
  CHECK(keys.sequence() == 2);
}

TEST_CASE("TLS records: sealed as RFC 8448's server did, after its session ticket") {
  TlsKeys keys;
  REQUIRE(keys.set(TlsSuite::kAes128GcmSha256, secret(kServerSecret), 1));
  CHECK(sealed(keys, payload()) == from_hex(kServerRecord));
}

TEST_CASE("TLS records: both ends understand each other with every suite, over key updates") {
  for (const auto suite : {TlsSuite::kAes128GcmSha256, TlsSuite::kAes256GcmSha384,
                           TlsSuite::kChacha20Poly1305Sha256}) {
    const auto traffic = test_traffic(suite);
    TlsKeys one;
    TlsKeys other;
    REQUIRE(one.set(suite, traffic.client, 7));
    REQUIRE(other.set(suite, traffic.client, 7));
    for (int generation = 0; generation < 3; ++generation) {
      for (const std::size_t size : {0UL, 1UL, 100UL, server::kMostTlsPlain}) {
        const std::string text(size, 'x');
        std::string record = sealed(one, text + kDataType);
        CHECK(record.size() == size + server::kTlsOverhead);
        REQUIRE(other.open(writable(record)));
        CHECK(inner_of(record) == text + kDataType);
      }
      REQUIRE(one.update());
      REQUIRE(other.update());
      CHECK(one.sequence() == 0);
    }
  }
}

TEST_CASE("TLS records: a changed bit, another place in the sequence, and nothing is opened") {
  const auto traffic = test_traffic();
  RecordClient client(traffic);
  const std::string good = client.data("secret");
  for (std::size_t i = 0; i < good.size(); ++i) {
    TlsKeys keys;
    REQUIRE(keys.set(traffic.suite, traffic.client, 0));
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK_FALSE(keys.open(writable(bad)));
    CHECK(bad.find("secret") == std::string::npos);
  }
  TlsKeys keys;
  REQUIRE(keys.set(traffic.suite, traffic.client, 1));
  std::string record = good;
  CHECK_FALSE(keys.open(writable(record)));
}

TEST_CASE("TLS records: a sequence number is never used twice") {
  const auto traffic = test_traffic();
  TlsKeys keys;
  REQUIRE(keys.set(traffic.suite, traffic.client, std::numeric_limits<std::uint64_t>::max()));
  std::string record(kTlsHeader + 1 + server::kTlsTag, '\0');
  CHECK_FALSE(keys.seal(writable(record)));
  CHECK_FALSE(keys.open(writable(record)));
}

TEST_CASE("TLS records: a secret of another length than the suite's hash is refused") {
  TlsKeys keys;
  CHECK_FALSE(keys.set(TlsSuite::kAes256GcmSha384, secret(kClientSecret), 0));
  CHECK_FALSE(keys.set(TlsSuite::kAes128GcmSha256, TlsSecret(), 0));
  CHECK_FALSE(server::tls_suite(0x1304).has_value());
  CHECK(server::tls_suite(0x1303) == TlsSuite::kChacha20Poly1305Sha256);
}

}  // namespace kscpush::test

// Session tickets: they bring back who the device is, and no more than that still holds.
#include <fstream>

#include <doctest/doctest.h>
#include <openssl/pem.h>

#include "core/file.hpp"
#include "core/openssl.hpp"
#include "tests/support/net/crl.hpp"
#include "tests/support/net/tls_pair.hpp"

namespace kscpush::test {
namespace {

using server::IoResult;
using server::Peer;
using server::TicketKeys;
using server::TlsContext;
using server::TlsTrust;
using std::chrono::days;
using std::chrono::hours;

const auto kVersions = {TLS1_2_VERSION, TLS1_3_VERSION};

ConfigureClient only(int version) {
  return [version](SSL_CTX* client) {
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
  };
}

// A device that has a certificate, and what all contexts of a server share.
struct Rig {
  [[nodiscard]] std::unique_ptr<TlsContext> context() const {
    return TlsContext::create(tls_files(site), shared).value();
  }

  TestSite site;
  DeviceFiles files = site.enroll("pc-1");
  server::TlsShared shared = tls_shared(site);
};

// Ticket keys whose time is the test's, in the rig's contexts from now on.
std::shared_ptr<TicketKeys> keys_from(MonoTime start, Rig& rig) {
  auto keys = std::make_shared<TicketKeys>(start);
  rig.shared.ticket_keys = keys;
  return keys;
}

// Talks until the client has what it can resume.
SessionPtr session_of(TlsPair& pair) {
  REQUIRE(pair.talk() == IoResult::Kind::kBytes);
  pair.write("x");
  pair.client_read_until(1);
  auto session = pair.session();
  REQUIRE(session != nullptr);
  return session;
}

SessionPtr first_session(const TlsContext& context, const DeviceFiles& files, int version) {
  TlsPair pair(context, files, only(version));
  return session_of(pair);
}

std::string_view ticket_of(const SSL_SESSION& session) {
  const unsigned char* ticket = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(&session, &ticket, &size);
  return {reinterpret_cast<const char*>(ticket), size};
}

// Whether a connection with SESSION was resumed; it is the same device either way.
bool resumes(const TlsContext& context, const DeviceFiles& files, int version,
             SSL_SESSION* session) {
  TlsPair pair(context, files, only(version), session);
  REQUIRE(pair.talk() == IoResult::Kind::kBytes);
  CHECK(pair.link->peer_device_id().value() == "pc-1");
  REQUIRE(pair.link->peer_proof() != nullptr);
  return SSL_session_reused(pair.client()) == 1;
}

// Of the authority, for TLS clients, but of no device.
pki::KeyPair certificate_without_name(const pki::KeyPair& authority) {
  const auto device = pki::issue_device(authority, "pc-1", system_clock().wall(), days(1)).value();
  const auto certificate = openssl::read_certificate(device.certificate).value();
  const auto key = openssl::read_key(authority.key.str()).value();
  const std::unique_ptr<X509_NAME, openssl::Freed<X509_NAME_free>> nobody(X509_NAME_new());
  REQUIRE(X509_set_subject_name(certificate.get(), nobody.get()) == 1);
  X509_EXTENSION_free(X509_delete_ext(
      certificate.get(), X509_get_ext_by_NID(certificate.get(), NID_subject_alt_name, -1)));
  REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(out.get(), certificate.get()) == 1);
  const char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);  // NOLINT: OpenSSL's own cast
  return {std::string(data, static_cast<std::size_t>(size)), device.key};
}

std::string text_of(const std::filesystem::path& path) {
  return read_file(path, 1 << 20).value();
}

}  // namespace

TEST_CASE("resumption: the identity comes back with the ticket, and what it rests on") {
  const Rig rig;
  const auto context = rig.context();
  for (const int version : kVersions) {
    TlsPair first(*context, rig.files, only(version));
    const auto session = session_of(first);
    TlsPair second(*context, rig.files, only(version), session.get());
    REQUIRE(second.talk() == IoResult::Kind::kBytes);
    CHECK(SSL_session_reused(second.client()) == 1);
    CHECK(second.link->peer_device_id().value() == "pc-1");
    CHECK(second.link->peer_proof()->certificate == first.link->peer_proof()->certificate);
    CHECK(second.link->peer_proof()->not_after == first.link->peer_proof()->not_after);
    CHECK(second.link->peer_proof()->anchor == first.link->peer_proof()->anchor);
  }
}

TEST_CASE("regression: each resumption brings a new ticket, to resume with once more") {
  const Rig rig;
  const auto context = rig.context();
  auto session = first_session(*context, rig.files, TLS1_3_VERSION);
  for (int i = 0; i < 3; ++i) {
    TlsPair pair(*context, rig.files, only(TLS1_3_VERSION), session.get());
    auto next = session_of(pair);
    CHECK(SSL_session_reused(pair.client()) == 1);
    CHECK(pair.link->peer_device_id().value() == "pc-1");
    const bool replaced = ticket_of(*next) != ticket_of(*session);
    CHECK(replaced);
    session = std::move(next);
  }
}

TEST_CASE("resumption: on another shard's context, which shares the keys") {
  const Rig rig;
  const auto first = rig.context();
  const auto second = rig.context();
  for (const int version : kVersions) {
    const auto session = first_session(*first, rig.files, version);
    CHECK(resumes(*second, rig.files, version, session.get()));
  }
}

TEST_CASE("resumption: with the former keys, but not with those before them") {
  Rig rig;
  const MonoTime start = system_clock().now();
  const auto keys = keys_from(start, rig);
  const auto context = rig.context();
  for (const int version : kVersions) {
    MonoTime now = start + 10 * (version - TLS1_2_VERSION) * TicketKeys::kPeriod;
    keys->rotate(now);
    const auto session = first_session(*context, rig.files, version);
    keys->rotate(now + TicketKeys::kPeriod - hours(1));
    CHECK(resumes(*context, rig.files, version, session.get()));
    keys->rotate(now += TicketKeys::kPeriod);
    CHECK(resumes(*context, rig.files, version, session.get()));
    keys->rotate(now += TicketKeys::kPeriod);
    CHECK_FALSE(resumes(*context, rig.files, version, session.get()));
  }
}

TEST_CASE("resumption: keys that nobody asked for during two periods open nothing") {
  Rig rig;
  const MonoTime start = system_clock().now();
  const auto keys = keys_from(start, rig);
  const auto context = rig.context();
  const auto session = first_session(*context, rig.files, TLS1_3_VERSION);
  keys->rotate(start + 2 * TicketKeys::kPeriod);
  CHECK_FALSE(resumes(*context, rig.files, TLS1_3_VERSION, session.get()));
}

TEST_CASE("resumption: a certificate revoked meanwhile is refused, ticket or not") {
  Rig rig;
  const auto before = rig.context();
  const auto crl = rig.site.folder / "crl.pem";
  std::ofstream(crl) << make_crl(rig.site.authority, {.revoked = {text_of(rig.files.certificate)}});
  rig.shared.trust =
      TlsTrust::load(rig.site.config.paths.client_ca, crl, std::time(nullptr)).value();
  const auto after = rig.context();
  for (const int version : kVersions) {
    const auto session = first_session(*before, rig.files, version);
    TlsPair pair(*after, rig.files, only(version), session.get());
    CHECK(pair.talk() == IoResult::Kind::kError);
    CHECK(pair.link->last_error() == "TLS: certificate verify failed: certificate revoked");
    CHECK(pair.client_error == "sslv3 alert certificate revoked");
  }
}

TEST_CASE("resumption: not when the authority of then is trusted no more") {
  Rig rig;
  const auto before = rig.context();
  const auto other = rig.site.folder / "other-ca.crt";
  std::ofstream(other) << foreign_authority().certificate;
  rig.shared.trust = TlsTrust::load(other, "", std::time(nullptr)).value();
  const auto session = first_session(*before, rig.files, TLS1_3_VERSION);
  // The handshake itself still trusts it here, so that the ticket alone decides.
  CHECK_FALSE(resumes(*rig.context(), rig.files, TLS1_3_VERSION, session.get()));
}

TEST_CASE("resumption: who is no device is none after resumption either") {
  const TestSite site;
  const auto context = tls_context(site);
  const auto nobody = site.write("nobody", certificate_without_name(site.authority));
  for (const int version : kVersions) {
    const auto session = first_session(*context, nobody, version);
    TlsPair pair(*context, nobody, only(version), session.get());
    REQUIRE(pair.talk() == IoResult::Kind::kBytes);
    CHECK(SSL_session_reused(pair.client()) == 0);  // its ticket brings nobody back
    CHECK(pair.link->peer_device_id().error().code == ErrorCode::kDenied);
  }
}

TEST_CASE("resumption: what a ticket says is read back whole, and nothing else is") {
  using Hashes = std::vector<std::uint64_t>;
  Peer peer;
  peer.device_id = "pc-1";
  peer.proved = 1'700'000'000;
  peer.proof = {1'800'000'000, 0xFFFF'FFFF'0000'0001U, 7};
  SUBCASE("straight from the authority") {}
  SUBCASE("by way of two others") {
    peer.proof.intermediates = std::make_unique<const Hashes>(Hashes{1, ~0UL});
  }
  const std::string text = peer.encode();
  const auto again = Peer::decode(text);
  REQUIRE(again.has_value());
  CHECK(again->device_id == "pc-1");
  CHECK(again->proved == peer.proved);
  CHECK(again->proof.not_after == peer.proof.not_after);
  CHECK(again->proof.certificate == peer.proof.certificate);
  CHECK(again->proof.anchor == peer.proof.anchor);
  REQUIRE((again->proof.intermediates != nullptr) == (peer.proof.intermediates != nullptr));
  if (peer.proof.intermediates) CHECK(*again->proof.intermediates == *peer.proof.intermediates);
  for (std::size_t size = 0; size + 4 < text.size(); ++size) {
    CHECK_FALSE(Peer::decode(text.substr(0, size)).has_value());
  }
  CHECK_FALSE(Peer::decode('\x03' + text.substr(1)).has_value());
  CHECK_FALSE(Peer::decode(text + "/").has_value());
}

TEST_CASE("resumption: a ticket holds no certificate") {
  const TestSite site;
  const auto context = tls_context(site);
  for (const int version : kVersions) {
    const auto session = first_session(*context, site.enroll("pc-1"), version);
    CHECK_FALSE(ticket_of(*session).empty());
    CHECK(ticket_of(*session).size() < 320);  // with a certificate it is about 800
  }
}

}  // namespace kscpush::test

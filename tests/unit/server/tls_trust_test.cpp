// Authorities and revocation lists: what is read of their files, and what is wrong with these.
#include "server/net/tls_trust.hpp"

#include <ctime>
#include <fstream>

#include <doctest/doctest.h>

#include "core/openssl.hpp"
#include "tests/support/net/crl.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::test {
namespace {

using server::PeerProof;
using server::TlsTrust;
using std::chrono::days;
using std::chrono::hours;

class Files {
 public:
  std::string write(const std::string& name, const std::string& text) const {
    const auto path = site.folder / name;
    std::ofstream(path) << text;
    return path.string();
  }
  [[nodiscard]] Result<std::shared_ptr<const TlsTrust>> load(const std::string& crl) const {
    return TlsTrust::load(site.config.paths.client_ca, write("crl.pem", crl), std::time(nullptr));
  }
  [[nodiscard]] std::string refusal(const std::string& crl) const {
    const auto loaded = load(crl);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().code == ErrorCode::kInvalidConfig);
    CHECK_FALSE(loaded.error().hint.empty());
    CHECK(loaded.error().message.find("crl.pem") != std::string::npos);
    return loaded.error().message;
  }
  [[nodiscard]] pki::KeyPair device(std::string_view id) const {
    return pki::issue_device(site.authority, id, system_clock().wall(), days(10)).value();
  }

  TestSite site;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::uint64_t hash_of(const pki::KeyPair& device, const pki::KeyPair& authority) {
  const auto issuer = openssl::read_certificate(authority.certificate).value();
  const auto certificate = openssl::read_certificate(device.certificate).value();
  return server::certificate_hash(server::authority_hash(issuer.get()),
                                  X509_get0_serialNumber(certificate.get()));
}

std::uint64_t anchor_of(const pki::KeyPair& authority) {
  return server::authority_hash(openssl::read_certificate(authority.certificate).value().get());
}

}  // namespace

TEST_CASE("trust: what an authority has revoked, and nothing else") {
  const Files files;
  const auto first = files.device("pc-1");
  const auto second = files.device("pc-2");
  const auto trust =
      files.load(make_crl(files.site.authority, {.revoked = {first.certificate}})).value();
  CHECK(trust->revoked(hash_of(first, files.site.authority)));
  CHECK_FALSE(trust->revoked(hash_of(second, files.site.authority)));
  // The same serial number of another authority is another certificate.
  CHECK_FALSE(trust->revoked(hash_of(first, foreign_authority())));
}

TEST_CASE("trust: objections") {
  const Files files;
  const auto device = files.device("pc-1");
  const auto trust =
      files.load(make_crl(files.site.authority, {.revoked = {device.certificate}})).value();
  const auto good = [&] { return PeerProof{1000, 1, anchor_of(files.site.authority)}; };
  CHECK(trust->objection(good(), 1000).empty());
  CHECK(trust->objection(good(), 1001) == "its certificate has expired");
  PeerProof revoked = good();
  revoked.certificate = hash_of(device, files.site.authority);
  CHECK(trust->objection(revoked, 1000) == "its certificate has been revoked");
  PeerProof foreign = good();
  foreign.anchor = anchor_of(foreign_authority());
  CHECK(trust->objection(foreign, 1000) ==
        "the authority of its certificate is not trusted any more");
  PeerProof through_revoked = good();
  through_revoked.intermediates = std::make_unique<const std::vector<std::uint64_t>>(
      std::vector<std::uint64_t>{5, revoked.certificate});
  CHECK(trust->objection(through_revoked, 1000) ==
        "an authority of its certificate has been revoked");
  PeerProof through_good = good();
  through_good.intermediates =
      std::make_unique<const std::vector<std::uint64_t>>(std::vector<std::uint64_t>{5, 6});
  CHECK(trust->objection(through_good, 1000).empty());
}

TEST_CASE("trust: when the first of the lists is out of date") {
  const Files files;
  const auto& authority = files.site.authority;
  const std::int64_t now = std::time(nullptr);
  CHECK(TlsTrust::load(files.site.config.paths.client_ca, "", now).value()->crl_expires() ==
        TlsTrust::kNever);
  const auto trust = files.load(make_crl(authority, {.age = hours(1), .lasts = hours(30)}) +
                                make_crl(authority, {.age = hours(1), .lasts = hours(10)}));
  CHECK(trust.value()->crl_expires() >= now + 9 * 3600);
  CHECK(trust.value()->crl_expires() <= std::time(nullptr) + 9 * 3600);
}

TEST_CASE("trust: an authority that was renewed with its key is the same one") {
  const Files files;
  const auto key = openssl::read_key(files.site.authority.key.str()).value();
  const auto renewed = openssl::read_certificate(files.site.authority.certificate).value();
  REQUIRE(X509_gmtime_adj(X509_getm_notAfter(renewed.get()), 4000L * 24 * 3600) != nullptr);
  REQUIRE(X509_sign(renewed.get(), key.get(), EVP_sha256()) > 0);
  CHECK(server::authority_hash(renewed.get()) == anchor_of(files.site.authority));
}

TEST_CASE("trust: several lists in one file") {
  const Files files;
  const auto first = files.device("pc-1");
  const auto second = files.device("pc-2");
  const auto trust = files
                         .load(make_crl(files.site.authority, {.revoked = {first.certificate}}) +
                               make_crl(files.site.authority, {.revoked = {second.certificate}}))
                         .value();
  CHECK(trust->revoked(hash_of(first, files.site.authority)));
  CHECK(trust->revoked(hash_of(second, files.site.authority)));
}

TEST_CASE("trust: revocation lists that cannot be used are named, with what is wrong with them") {
  const Files files;
  const auto& authority = files.site.authority;
  CHECK(contains(files.refusal(make_crl(foreign_authority())), "none of the authorities"));
  CHECK(contains(files.refusal(make_crl(authority, {.age = hours(48)})), "out of date"));
  CHECK(contains(files.refusal(make_crl(authority, {.age = hours(-1)})), "not valid yet"));
  CHECK(contains(files.refusal(make_crl(authority, {.critical_extension = NID_delta_crl})),
                 "critical extension"));
  CHECK(contains(files.refusal(""), "no list in it"));
  CHECK(contains(files.refusal("-----BEGIN X509 CRL-----\nAAAA\n"), "crl.pem"));
  // One that holds is no help to one that does not.
  CHECK(contains(files.refusal(make_crl(authority) + "-----BEGIN X509 CRL-----\nAAAA\n"),
                 "cannot be used"));
  const auto none = TlsTrust::load(files.site.config.paths.client_ca, "none.pem", 0);
  REQUIRE_FALSE(none.has_value());
  CHECK(contains(none.error().message, "none.pem"));
}

TEST_CASE("trust: authorities that cannot be read") {
  const Files files;
  const auto loaded = TlsTrust::load(files.write("ca.pem", "hello\n"), "", std::time(nullptr));
  REQUIRE_FALSE(loaded.has_value());
  CHECK(contains(loaded.error().message, "ca.pem, cannot be used: there is no certificate in it"));
}

}  // namespace kscpush::test

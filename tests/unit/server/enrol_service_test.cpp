// Enrolments without sockets: connections in memory, a clock that the test moves. That a device
// connects with what it gets is acceptance/test_enrolment.py's.
#include "server/side/enrol_service.hpp"

#include <future>

#include <doctest/doctest.h>
#include <openssl/pem.h>

#include "core/port_protocols.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/net/test_site.hpp"
#include "tests/support/patience.hpp"
#include "tests/unit/server/wire_link.hpp"

namespace kscpush::server {
namespace {

using std::chrono::seconds;
using test::kPatience;
using test::TestSite;

constexpr seconds kTtl{3600};

std::uint64_t anchor_of(const std::string& authority_pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> authority(
      PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), X509_free);
  REQUIRE(authority != nullptr);
  return authority_hash(authority.get());
}

struct Rig {
  Rig() {
    site.config.site = std::make_shared<site::Site>();
    for (const char* id : {"pc-1", "pc-2"}) {
      REQUIRE(store->add_device({.id = *DeviceId::parse(id), .group = "Managed devices"}));
    }
    side.add(kEnrollProtocol, service);
    service.use(
        TlsTrust::load(site.config.paths.client_ca, "", unix_seconds(clock.wall())).value());
  }
  // As the push server does: what has begun is answered while there is a store.
  ~Rig() {
    service.stop();
    side.settle();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  std::shared_ptr<Wire> begin(std::string line, WirePeer peer = {.protocol = {}}) {
    auto wire = std::make_shared<Wire>();
    wire->sent = std::move(line) + "\n";
    peer.protocol = kEnrollProtocol;
    side.take(LinkPtr(new WireLink(wire, std::move(peer))));
    side.loop().poll();
    return wire;
  }
  // Until the server has said all that it has to say.
  Result<EnrolmentAnswer> end(const std::shared_ptr<Wire>& wire) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!wire->shut) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      side.loop().turn(kPatience);
    }
    return decode_enrolment_answer(wire->heard.substr(0, wire->heard.find('\n')));
  }
  Result<EnrolmentAnswer> ask(const EnrolmentRequest& request, WirePeer peer = {.protocol = {}}) {
    return end(begin(encode(request).str(), std::move(peer)));
  }
  Secret issue(std::string_view id = "pc-1") {
    const auto issued = issue_token(site.config.paths, *DeviceId::parse(id), kTtl, clock).value();
    REQUIRE(store->add_token(issued.noted));
    return issued.token.secret;
  }
  Result<EnrolmentAnswer> enrol(const Secret& token, const std::string& csr,
                                std::optional<DeviceId> of = std::nullopt) {
    return ask({EnrolmentRequest::What::kEnrol, token, std::move(of), csr});
  }
  Result<EnrolmentAnswer> renew(const std::string& csr, const std::string& device = "pc-1") {
    return ask({.what = EnrolmentRequest::What::kRenew, .csr = csr},
               {.protocol = {}, .device = device, .proof = &proof});
  }
  [[nodiscard]] DeviceRecord record(std::string_view id = "pc-1") const {
    return store->find_device(*DeviceId::parse(id)).value().value();
  }

  TestSite site;
  test::FakeClock clock{test::system_clock().wall()};
  test::TempDir folder;
  spdlog::logger log{"test"};  // without a sink
  std::unique_ptr<Store> store = Store::open(folder.path(), clock).value();
  SideServer side{clock, log};
  std::function<void()> on_config = [] {};
  EnrolService service{side, *store,
                       [this] {
                         on_config();
                         return std::make_shared<const ServerConfig>(site.config);
                       },
                       clock, log};
  PeerProof proof{.not_after = unix_seconds(clock.wall() + std::chrono::hours(1)),
                  .anchor = anchor_of(site.authority.certificate)};
};

std::string csr() {
  return pki::create_request().value().request;
}

// The message of a refusal with that code.
std::string refused(const Result<EnrolmentAnswer>& answer, ErrorCode code = ErrorCode::kDenied) {
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == code);
  return answer.error().message;
}

bool says(const std::string& message, std::string_view part) {
  INFO(message);
  return message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("enrol: a token gives a certificate for the key that was shown, once") {
  Rig rig;
  const Secret token = rig.issue();
  const std::string first = csr();
  const auto answer = rig.enrol(token, first);
  REQUIRE(answer.has_value());
  CHECK(answer->device == DeviceId::parse("pc-1").value());
  CHECK(pki::device_id_of(answer->certificate).value().str() == "pc-1");
  CHECK(answer->servers.size() == 1);
  CHECK(rig.record().fingerprint == pki::inspect(answer->certificate)->fingerprint);
  CHECK(says(refused(rig.enrol(token, csr())), "the token has been used"));
  // The answer may have been lost: the key that was certified may ask again.
  CHECK(rig.enrol(token, first).has_value());
  CHECK(rig.service.counters().enrolled == 2);
  CHECK(rig.service.counters().refused == 1);
}

TEST_CASE("enrol: a token that has expired, is not known, or is another's") {
  Rig rig;
  const Secret token = rig.issue();
  CHECK(says(refused(rig.enrol(token, csr(), DeviceId::parse("pc-2").value())),
             "the token is of another device"));
  CHECK(says(refused(rig.enrol(pki::random_token(), csr())), "is not known here"));
  const Secret newer = rig.issue();
  CHECK(says(refused(rig.enrol(token, csr())), "is not known here"));
  rig.clock.advance(kTtl - seconds(1));
  CHECK(rig.enrol(newer, csr(), DeviceId::parse("pc-1").value()).has_value());
  const Secret late = rig.issue("pc-2");
  rig.clock.advance(kTtl);
  CHECK(says(refused(rig.enrol(late, csr())), "the token has expired"));
  CHECK(rig.record("pc-2").fingerprint.empty());
}

TEST_CASE("enrol: a request that cannot be signed uses no token up") {
  Rig rig;
  const Secret token = rig.issue();
  const std::string good = csr();
  std::string tampered = good;
  char& digit = tampered[good.find('\n') + 40];
  digit = digit == 'A' ? 'B' : 'A';
  for (const std::string& bad :
       {std::string("nonsense"), tampered, good.substr(0, 100), rig.site.authority.certificate}) {
    CAPTURE(bad);
    refused(rig.enrol(token, bad), ErrorCode::kUsage);
  }
  CHECK(rig.record().fingerprint.empty());
  CHECK(rig.enrol(token, good).has_value());
}

TEST_CASE("enrol: a device that has been revoked enrols no more") {
  Rig rig;
  const Secret token = rig.issue();
  REQUIRE(rig.store->change_device(*DeviceId::parse("pc-1"), {.revoked = true}));
  CHECK(says(refused(rig.enrol(token, csr())), "has been revoked"));
}

TEST_CASE("enrol: an address may ask so often a second, and no other suffers from it") {
  Rig rig;
  const auto from = [](std::string address) {
    return WirePeer{.protocol = {}, .address = std::move(address)};
  };
  for (std::uint32_t i = 0; i < EnrolService::kPerAddress; ++i) {
    refused(rig.end(rig.begin("nonsense", from(fmt::format("192.0.2.1:{}", i)))),
            ErrorCode::kUsage);
  }
  CHECK(says(refused(rig.end(rig.begin("nonsense", from("192.0.2.1:999"))), ErrorCode::kOverloaded),
             "more than 50 enrolments a second from '192.0.2.1'"));
  CHECK(rig.ask({}, from("192.0.2.2:1")).has_value());
  rig.clock.advance(seconds(1));
  CHECK(rig.ask({}, from("192.0.2.1:1000")).has_value());
}

TEST_CASE("enrol: so many wait for their turn, the next is sent away at once") {
  Rig rig;
  std::promise<void> may_go_on;
  rig.on_config = [gate = may_go_on.get_future().share()] { gate.wait(); };
  const auto begin = [&](std::size_t i) {
    return rig.begin(encode(EnrolmentRequest{}).str(),
                     {.protocol = {}, .address = fmt::format("192.0.2.{}:1", i % 200)});
  };
  std::vector<std::shared_ptr<Wire>> waiting;
  for (std::size_t i = 0; i < EnrolService::kMostWaiting; ++i) waiting.push_back(begin(i));
  CHECK(says(refused(rig.end(begin(EnrolService::kMostWaiting)), ErrorCode::kOverloaded),
             "too many enrolments wait"));
  may_go_on.set_value();
  for (const auto& wire : waiting) CHECK(rig.end(wire).has_value());
}

TEST_CASE("renew: who shows a certificate that holds gets the next, not more than one a second") {
  Rig rig;
  const auto answer = rig.renew(csr());
  REQUIRE(answer.has_value());
  CHECK(rig.record().fingerprint == pki::inspect(answer->certificate)->fingerprint);
  CHECK(says(refused(rig.renew(csr()), ErrorCode::kOverloaded), "from 'device pc-1'"));
  CHECK(rig.renew(csr(), "pc-2").has_value());
  rig.clock.advance(seconds(1));
  CHECK(rig.renew(csr()).has_value());
  CHECK(rig.service.counters().renewed == 3);
}

TEST_CASE("renew: nothing for who shows none, or one that does not hold any more") {
  Rig rig;
  CHECK(says(refused(rig.renew(csr(), "")), "for who shows it"));
  CHECK(says(refused(rig.renew(csr(), "pc-9")), "is not registered"));
  REQUIRE(rig.store->change_device(*DeviceId::parse("pc-2"), {.revoked = true}));
  CHECK(says(refused(rig.renew(csr(), "pc-2")), "has been revoked"));
  refused(rig.renew("nonsense"), ErrorCode::kUsage);
  rig.clock.advance(std::chrono::hours(1) + seconds(1));
  CHECK(says(refused(rig.renew(csr())), "expired"));
  rig.proof.not_after += 7200;
  rig.proof.anchor += 1;
  refused(rig.renew(csr()));
  CHECK(rig.record().fingerprint.empty());
}

}  // namespace kscpush::server

// TLS with real sockets on loopback, both ends in one thread.
#include <csignal>
#include <fstream>

#include <doctest/doctest.h>

#include "tests/support/net/mqtt_packets.hpp"
#include "tests/support/net/tls_pair.hpp"

namespace kscpush::test {
namespace {

using server::IoResult;
using server::TlsContext;
using std::chrono::days;

Error creation_error(const TestSite& site, const server::TlsFiles& files) {
  const auto context = TlsContext::create(files, tls_shared(site));
  REQUIRE_FALSE(context.has_value());
  return context.error();
}

// PROTOCOLS: as ALPN lists them.
ConfigureClient offering(std::string_view protocols) {
  return [protocols](SSL_CTX* client) {
    const auto* const data = reinterpret_cast<const unsigned char*>(protocols.data());
    SSL_CTX_set_alpn_protos(client, data, static_cast<unsigned>(protocols.size()));
  };
}

constexpr std::string_view kTunnel = "\x10kscpush-tunnel/1";

}  // namespace

TEST_CASE("TLS: a device with a certificate of the site's authority is known by it") {
  const TestSite site;
  const auto versions = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (const int version : versions) {
    TlsPair pair(site, site.enroll("pc-1"),
                 [&](SSL_CTX* client) { SSL_CTX_set_max_proto_version(client, version); });
    CHECK(pair.talk() == IoResult::Kind::kBytes);
    CHECK(pair.heard == "hello");
    CHECK(pair.client_error == "");
    CHECK(pair.link->peer_device_id().value() == "pc-1");
    CHECK(pair.link->secure());
  }
}

TEST_CASE("TLS: an id that is too long for a CN is known by the URI") {
  const TestSite site;
  const std::string id(DeviceId::kMaxLength, 'x');
  TlsPair pair(site, site.enroll(id));
  CHECK(pair.talk() == IoResult::Kind::kBytes);
  CHECK(pair.link->peer_device_id().value() == id);
}

TEST_CASE("TLS: no certificate, no connection") {
  const TestSite site;
  TlsPair pair(site, std::nullopt);
  CHECK(pair.talk() == IoResult::Kind::kError);
  CHECK(pair.link->last_error() == "TLS: peer did not return a certificate");
  CHECK(pair.client_error == "tlsv13 alert certificate required");
}

TEST_CASE("TLS: a certificate of another authority is refused") {
  const TestSite site;
  const auto foreign =
      pki::issue_device(foreign_authority(), "pc-1", system_clock().wall(), days(10)).value();
  TlsPair pair(site, site.write("foreign", foreign));
  CHECK(pair.talk() == IoResult::Kind::kError);
  CHECK(pair.link->last_error() ==
        "TLS: certificate verify failed: unable to get local issuer certificate");
  CHECK(pair.client_error == "tlsv1 alert unknown ca");
}

TEST_CASE("TLS: a server's certificate is none of a device") {
  const TestSite site;
  const auto server =
      pki::issue_server(site.authority, "pc-1", {"pc-1"}, system_clock().wall(), days(10)).value();
  TlsPair pair(site, site.write("server", server));
  CHECK(pair.talk() == IoResult::Kind::kError);
  CHECK(pair.client_error == "sslv3 alert unsupported certificate");
}

TEST_CASE("TLS: an expired certificate is refused") {
  const TestSite site;
  TlsPair pair(site, site.enroll("pc-1", /*age=*/days(20), /*validity=*/days(10)));
  CHECK(pair.talk() == IoResult::Kind::kError);
  CHECK(pair.client_error == "sslv3 alert certificate expired");
}

TEST_CASE("TLS: 1.1 is refused") {
  const TestSite site;
  TlsPair pair(site, site.enroll("pc-1"), [](SSL_CTX* client) {
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_min_proto_version(client, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
  });
  CHECK(pair.talk() == IoResult::Kind::kError);
  CHECK(pair.link->last_error() == "TLS: unsupported protocol");
  CHECK(pair.client_error == "tlsv1 alert protocol version");
}

TEST_CASE("TLS: ALPN is mqtt, or is not spoken of") {
  const TestSite site;
  TlsPair mqtt(site, site.enroll("pc-1"), offering("\x02h2\x04mqtt"));
  CHECK(mqtt.talk() == IoResult::Kind::kBytes);
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(mqtt.client(), &chosen, &size);
  CHECK(std::string(chosen, chosen + size) == "mqtt");
  TlsPair other(site, site.enroll("pc-1"), offering("\x02h2\x08http/1.1"));
  CHECK(other.talk() == IoResult::Kind::kError);
  CHECK(other.link->last_error() == "TLS: no application protocol");
  CHECK(other.client_error == "tlsv1 alert no application protocol");
}

TEST_CASE("TLS: who speaks another protocol than MQTT needs no certificate, but shows a good one") {
  const TestSite site;
  const auto park = {false, true};
  for (const bool parks : park) {
    TlsPair caller(*tls_context(site, parks), std::nullopt, offering(kTunnel));
    REQUIRE(caller.talk() == IoResult::Kind::kOtherProtocol);
    CHECK(caller.link->other_protocol() == "kscpush-tunnel/1");
    CHECK(caller.link->peer_device_id().error().message == "no client certificate");
    // Nothing behind the handshake has been read.
    CHECK(caller.heard.empty());
    CHECK(caller.read_until(5) == IoResult::Kind::kBytes);
    CHECK(caller.heard == "hello");
    CHECK_FALSE(caller.parked());
    caller.write("hi");
    caller.client_read_until(2);
    CHECK(caller.client_heard == "hi");
    CHECK(caller.session() == nullptr);
  }
  TlsPair device(site, site.enroll("pc-1"), offering(kTunnel));
  REQUIRE(device.talk() == IoResult::Kind::kOtherProtocol);
  CHECK(device.link->peer_device_id().value() == "pc-1");
  CHECK(device.link->peer_proof() != nullptr);
  const auto foreign =
      pki::issue_device(foreign_authority(), "pc-1", system_clock().wall(), days(10)).value();
  TlsPair other(site, site.write("foreign", foreign), offering(kTunnel));
  CHECK(other.talk() == IoResult::Kind::kError);
}

TEST_CASE("TLS: a stream that is not MQTT ends with close_notify, or has been cut off") {
  const TestSite site;
  TlsPair good(site, std::nullopt, offering(kTunnel));
  REQUIRE(good.talk() == IoResult::Kind::kOtherProtocol);
  REQUIRE(good.read_until(5) == IoResult::Kind::kBytes);
  SSL_shutdown(good.client());
  CHECK(good.read_until(6) == IoResult::Kind::kEnd);
  good.write("after it");  // half-close
  good.client_read_until(8);
  CHECK(good.client_heard == "after it");
  TlsPair cut(site, std::nullopt, offering(kTunnel));
  REQUIRE(cut.talk() == IoResult::Kind::kOtherProtocol);
  REQUIRE(cut.read_until(5) == IoResult::Kind::kBytes);
  cut.hang_up();
  CHECK(cut.read_until(6) == IoResult::Kind::kError);
  CHECK(cut.link->last_error() == "TLS: unexpected eof while reading");
}

TEST_CASE("TLS: a stream that is broken off ends without close_notify") {
  const TestSite site;
  TlsPair pair(site, std::nullopt, offering(kTunnel));
  REQUIRE(pair.talk() == IoResult::Kind::kOtherProtocol);
  REQUIRE(pair.read_until(5) == IoResult::Kind::kBytes);
  pair.link->break_off();
  pair.link.reset();
  pair.wait_for_client();
  pair.client_read();
  CHECK(pair.client_ended);
  CHECK((SSL_get_shutdown(pair.client()) & SSL_RECEIVED_SHUTDOWN) == 0);
}

TEST_CASE("TLS: 1.2 is not negotiated again") {
  const TestSite site;
  TlsPair pair(site, site.enroll("pc-1"),
               [](SSL_CTX* client) { SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION); });
  REQUIRE(pair.talk() == IoResult::Kind::kBytes);
  REQUIRE(SSL_renegotiate(pair.client()) == 1);
  // The server answers with the warning no_renegotiation, which OpenSSL's client gives up at.
  CHECK(SSL_do_handshake(pair.client()) == -1);
  pair.wait_for_server();
  CHECK(pair.read().kind == IoResult::Kind::kWantRead);
  pair.wait_for_client();
  pair.client_read();
  CHECK(pair.client_error == "no renegotiation");
}

TEST_CASE("TLS: records that are cut off, changed or too long are errors, parked or not") {
  const TestSite site;
  for (const bool park : {false, true}) {
    CAPTURE(park);
    const auto context = tls_context(site, park);
    const auto broken = [&](const std::string& record) {
      TlsPair pair(*context, site.enroll("pc-1"));
      REQUIRE(pair.talk() == IoResult::Kind::kBytes);
      pair.heard.clear();
      pair.send_raw(record);
      pair.wait_for_server();
      const auto kind = pair.read().kind;
      CHECK(pair.heard.empty());
      return std::pair(kind, pair.link->last_error());
    };
    const std::string header("\x17\x03\x03", 3);
    CHECK(broken(header + std::string("\x00\x20", 2) + std::string(32, 'x')).first ==
          IoResult::Kind::kError);
    CHECK(broken(header + std::string("\x60\x00", 2)).first == IoResult::Kind::kError);
    CHECK(broken(std::string("\x99\x03\x03\x00\x01x", 6)).first == IoResult::Kind::kError);
    // Half a record, and then nothing: it is waited for. The end of the stream is an end.
    TlsPair pair(*context, site.enroll("pc-1"));
    REQUIRE(pair.talk() == IoResult::Kind::kBytes);
    pair.heard.clear();
    pair.send_raw(header + std::string("\x00\x20", 2) + std::string(7, 'x'));
    pair.wait_for_server();
    CHECK(pair.read().kind == IoResult::Kind::kWantRead);
    pair.hang_up();
    pair.wait_for_server();
    const auto end = pair.read().kind;
    CHECK((end == IoResult::Kind::kEnd || end == IoResult::Kind::kError));
    CHECK(pair.heard.empty());
  }
}

TEST_CASE("TLS: what is no TLS is an error, not a connection") {
  const TestSite site;
  for (const std::string& bytes :
       {connect_bytes({}), std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100, '\xff')}) {
    TlsPair pair(site, std::nullopt);
    pair.send_raw(bytes);
    pair.wait_for_server();
    CHECK(pair.read().kind == IoResult::Kind::kError);
    CHECK(pair.link->last_error() != "");
  }
}

TEST_CASE("regression: a peer that is gone while TLS writes does not end the process") {
  std::signal(SIGPIPE, SIG_DFL);
  const TestSite site;
  TlsPair pair(site, site.enroll("pc-1"));
  REQUIRE(pair.talk() == IoResult::Kind::kBytes);
  pair.reset();
  pair.wait_for_server();
  // The first finds the reset, the second a socket that is shut: where SIGPIPE comes from.
  CHECK(pair.link->write("push").kind == IoResult::Kind::kError);
  CHECK(pair.link->write("push").kind == IoResult::Kind::kError);
  pair.link->shutdown_write();
}

TEST_CASE("regression: a link that is given up says close_notify, parked or not") {
  const TestSite site;
  for (const bool park : {false, true}) {
    TlsPair pair(*tls_context(site, park), site.enroll("pc-1"));
    REQUIRE(pair.talk() == IoResult::Kind::kBytes);
    CHECK(pair.parked() == park);
    pair.link.reset();
    pair.wait_for_client();
    pair.client_read();
    CHECK((SSL_get_shutdown(pair.client()) & SSL_RECEIVED_SHUTDOWN) != 0);
    CHECK(pair.client_error.empty());
  }
}

TEST_CASE("TLS: files that cannot be used are named, with what is wrong with them") {
  TestSite site;
  auto files = tls_files(site);
  SUBCASE("no certificate") {
    files.certificate = (site.folder / "none.crt").string();
    CHECK(creation_error(site, files).message.find("none.crt cannot be used") != std::string::npos);
  }
  SUBCASE("another certificate's key") {
    files.key = site.enroll("pc-1").key.string();
    const Error error = creation_error(site, files);
    CHECK(error.code == ErrorCode::kInvalidConfig);
    CHECK(error.message.find("is not the key of the certificate") != std::string::npos);
  }
  SUBCASE("no authority") {
    files.client_ca = (site.folder / "none-ca.crt").string();
    CHECK(creation_error(site, files).message.find("none-ca.crt") != std::string::npos);
  }
  SUBCASE("garbage") {
    files.certificate = (site.folder / "garbage.crt").string();
    std::ofstream(files.certificate) << "-----BEGIN CERTIFICATE-----\nAAAA\n";
    CHECK(creation_error(site, files).message.find("garbage.crt cannot be used") !=
          std::string::npos);
  }
  SUBCASE("expired") {
    const auto old = pki::issue_server(site.authority, "dp-1", {"localhost"},
                                       system_clock().wall() - days(20), days(10))
                         .value();
    const DeviceFiles written = site.write("old", old);
    files.certificate = written.certificate.string();
    files.key = written.key.string();
    CHECK(creation_error(site, files).message.find("has expired") != std::string::npos);
  }
}

}  // namespace kscpush::test

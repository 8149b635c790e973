// TLS with real sockets on loopback, both ends in one thread.
#include "server/net/tls.hpp"

#include <array>
#include <csignal>
#include <fstream>
#include <functional>
#include <optional>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/support/net/socket_device.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::test {
namespace {

using server::IoResult;
using server::LinkPtr;
using server::Loop;
using server::TicketKeys;
using server::TlsContext;
using server::TlsLink;
using std::chrono::days;

using ConfigureClient = std::function<void(SSL_CTX*)>;

server::TlsFiles tls_files(const TestSite& site) {
  return {site.config.paths.certificate, site.config.paths.key, site.config.paths.client_ca};
}

struct Freed {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// A server's link and the client at its other end, neither of which blocks.
class TlsPair {
 public:
  TlsPair(const TestSite& site, const std::optional<DeviceFiles>& files,
          const ConfigureClient& configure = nullptr)
      : context_(TlsContext::create(tls_files(site), TicketKeys::generate()).value()) {
    asio::basic_socket_acceptor<asio::ip::tcp, Loop::executor_type> acceptor(
        loop_, {asio::ip::make_address("127.0.0.1"), 0});
    descriptor_ = connect_to(Port::from(acceptor.local_endpoint().port()).value());
    Descriptor socket(acceptor.accept(loop_).release());
    REQUIRE(::fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0);
    server_descriptor_ = socket.get();
    link.reset(new TlsLink(std::move(socket), poller_, context_->get()));
    client_context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* const client = client_context_.get();
    if (files) {
      REQUIRE(SSL_CTX_use_certificate_chain_file(client, files->certificate.c_str()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey_file(client, files->key.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    if (configure) configure(client);
    ssl_.reset(SSL_new(client));
    REQUIRE(::fcntl(descriptor_.get(), F_SETFL, O_NONBLOCK) == 0);
    SSL_set_fd(ssl_.get(), descriptor_.get());
    SSL_set_connect_state(ssl_.get());
  }

  // The client says "hello" until the server has read it or has given up, of which the client then
  // learns.
  IoResult::Kind talk() {
    for (int turn = 0; turn < 100; ++turn) {
      client_turn();
      const IoResult got = read();
      if (got.kind == IoResult::Kind::kBytes) return got.kind;
      if (got.kind != IoResult::Kind::kWantRead) {
        wait(POLLIN, descriptor_.get());
        client_turn();
        return got.kind;
      }
      wait(POLLIN, descriptor_.get(), server_descriptor_);
    }
    FAIL("the two did not come to an end");
    return IoResult::Kind::kError;
  }

  IoResult read() {
    std::array<char, 100> buffer{};
    const IoResult result = link->read(buffer);
    if (result.kind == IoResult::Kind::kBytes) heard.append(buffer.data(), result.bytes);
    return result;
  }
  void wait_for_server() const { wait(POLLIN, server_descriptor_); }
  // Past the client's TLS.
  void send_raw(std::string_view bytes) const {
    REQUIRE(::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void reset() {
    reset_on_close(descriptor_.get());
    descriptor_ = Descriptor();
  }

 private:
  void client_turn() {
    ERR_clear_error();
    std::size_t n = 0;
    if (!said_) {
      said_ = SSL_write_ex(ssl_.get(), "hello", 5, &n) == 1;
    } else {
      std::array<char, 100> buffer{};
      SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &n);
    }
    const unsigned long code = ERR_peek_error();
    if (code != 0) client_error = ERR_reason_error_string(code);
  }
  // Until one of them is ready.
  static void wait(short event, int first, int second = -1) {
    pollfd both[] = {{first, event, 0}, {second, event, 0}};
    const auto most = std::chrono::milliseconds(kPatience).count();
    REQUIRE(::poll(both, 2, static_cast<int>(most)) > 0);
  }

  Loop loop_;
  server::Poller poller_{loop_};
  std::unique_ptr<TlsContext> context_;
  std::unique_ptr<SSL_CTX, Freed> client_context_;
  std::unique_ptr<SSL, Freed> ssl_;
  Descriptor descriptor_;
  int server_descriptor_ = -1;
  bool said_ = false;

 public:
  LinkPtr link;
  std::string heard;
  std::string client_error;
};

Error creation_error(const server::TlsFiles& files) {
  const auto context = TlsContext::create(files, TicketKeys::generate());
  REQUIRE_FALSE(context.has_value());
  return context.error();
}

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
  CHECK(pair.link->last_error() == "TLS: certificate verify failed");
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

TEST_CASE("TLS: files that cannot be used are named, with what is wrong with them") {
  TestSite site;
  auto files = tls_files(site);
  SUBCASE("no certificate") {
    files.certificate = (site.folder / "none.crt").string();
    CHECK(creation_error(files).message.find("none.crt cannot be used") != std::string::npos);
  }
  SUBCASE("another certificate's key") {
    files.key = site.enroll("pc-1").key.string();
    const Error error = creation_error(files);
    CHECK(error.code == ErrorCode::kInvalidConfig);
    CHECK(error.message.find("is not the key of the certificate") != std::string::npos);
  }
  SUBCASE("no authority") {
    files.client_ca = (site.folder / "none-ca.crt").string();
    CHECK(creation_error(files).message.find("none-ca.crt") != std::string::npos);
  }
  SUBCASE("garbage") {
    files.certificate = (site.folder / "garbage.crt").string();
    std::ofstream(files.certificate) << "-----BEGIN CERTIFICATE-----\nAAAA\n";
    CHECK(creation_error(files).message.find("garbage.crt cannot be used") != std::string::npos);
  }
  SUBCASE("expired") {
    const auto old = pki::issue_server(site.authority, "dp-1", {"localhost"},
                                       system_clock().wall() - days(20), days(10))
                         .value();
    const DeviceFiles written = site.write("old", old);
    files.certificate = written.certificate.string();
    files.key = written.key.string();
    CHECK(creation_error(files).message.find("has expired") != std::string::npos);
  }
}

}  // namespace kscpush::test

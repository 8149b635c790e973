// Parked connections on real sockets, with OpenSSL as the client.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include "tests/support/net/mqtt_packets.hpp"
#include "tests/support/net/tls_pair.hpp"
#include "tests/support/net/tls_records.hpp"

namespace kscpush::test {
namespace {

using server::IoResult;
using server::TlsContext;

class Parked {
 public:
  explicit Parked(const ConfigureClient& configure = nullptr)
      : context(tls_context(site, /*park=*/true)), pair(*context, site.enroll("pc-1"), configure) {}

  // One exchange of data, after which the connection is parked.
  void begin() {
    REQUIRE(pair.talk() == IoResult::Kind::kBytes);
    REQUIRE(pair.parked());
    exchange("ping", "pong");
  }
  void exchange(const std::string& question, const std::string& answer) {
    pair.heard.clear();
    pair.client_heard.clear();
    pair.client_write(question);
    REQUIRE(pair.read_until(question.size()) == IoResult::Kind::kBytes);
    CHECK(pair.heard == question);
    pair.write(answer);
    pair.client_read_until(answer.size());
    CHECK(pair.client_heard == answer);
    CHECK(pair.client_error.empty());
  }
  // The server reads until there is something to tell.
  IoResult::Kind next() {
    for (;;) {
      const IoResult got = pair.read();
      if (got.kind != IoResult::Kind::kWantRead) return got.kind;
      pair.wait_for_server();
    }
  }

  TestSite site;
  std::unique_ptr<TlsContext> context;
  TlsPair pair;
};

}  // namespace

TEST_CASE("parked link: every suite of TLS 1.3 that OpenSSL offers") {
  for (const char* const suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    Parked parked([&](SSL_CTX* client) { SSL_CTX_set_ciphersuites(client, suite); });
    parked.begin();
    CHECK(std::string(SSL_get_cipher_name(parked.pair.client())) == suite);
    CHECK(parked.pair.link->peer_device_id().value() == "pc-1");
    REQUIRE(parked.pair.link->peer_proof() != nullptr);
    CHECK(parked.pair.link->last_error().empty());
  }
}

TEST_CASE("parked link: TLS 1.2 stays with OpenSSL") {
  Parked parked([](SSL_CTX* client) { SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION); });
  CHECK(parked.pair.talk() == IoResult::Kind::kBytes);
  CHECK_FALSE(parked.pair.parked());
  parked.exchange("still", "served");
  CHECK_FALSE(parked.pair.parked());
}

TEST_CASE("parked link: resumed connections are parked as well, and know their device") {
  Parked first;
  first.begin();
  const auto session = first.pair.session();
  REQUIRE(session != nullptr);
  TlsPair second(*first.context, first.site.enroll("pc-1"), nullptr, session.get());
  REQUIRE(second.talk() == IoResult::Kind::kBytes);
  CHECK(SSL_session_reused(second.client()) == 1);
  CHECK(second.parked());
  CHECK(second.link->peer_device_id().value() == "pc-1");
  second.write("welcome back");
  second.client_read_until(12);
  CHECK(second.client_heard == "welcome back");
}

TEST_CASE("parked link: KeyUpdate of the client, asked back and not") {
  Parked parked;
  parked.begin();
  for (int i = 0; i < 3; ++i) {
    for (const int kind : {SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_NOT_REQUESTED}) {
      REQUIRE(SSL_key_update(parked.pair.client(), kind) == 1);
      parked.exchange("with new keys", "understood");
      parked.exchange("and again", "understood");
    }
  }
}

TEST_CASE("parked link: a KeyUpdate is answered though there is nothing else to say") {
  Parked parked;
  parked.begin();
  REQUIRE(SSL_key_update(parked.pair.client(), SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_do_handshake(parked.pair.client()) == 1);
  parked.pair.wait_for_server();
  CHECK(parked.pair.read().kind == IoResult::Kind::kWantRead);
  parked.pair.wait_for_client();  // there is something to read
  parked.pair.client_read();
  CHECK_FALSE(parked.pair.client_ended);
  parked.exchange("both", "new");
}

TEST_CASE("parked link: a KeyUpdate before it is parked keeps it with OpenSSL") {
  Parked parked;
  SSL* const client = parked.pair.client();
  // Within the first flight, behind Finished.
  while (SSL_do_handshake(client) != 1) {
    parked.pair.read();
    parked.pair.wait_for_client();
  }
  REQUIRE(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED) == 1);
  parked.pair.client_write("hello");
  REQUIRE(parked.pair.read_until(5) == IoResult::Kind::kBytes);
  CHECK_FALSE(parked.pair.parked());
  parked.exchange("still", "served");
}

TEST_CASE("parked link: what came with the last flight of the handshake is heard") {
  Parked parked;
  SSL* const client = parked.pair.client();
  while (SSL_do_handshake(client) != 1) {
    parked.pair.read();
    parked.pair.wait_for_client();
  }
  const std::string large(40'000, 'z');
  parked.pair.client_write("CONNECT");
  parked.pair.client_write("SUBSCRIBE");
  parked.pair.client_write(large);
  REQUIRE(parked.pair.read_until(16 + large.size()) == IoResult::Kind::kBytes);
  CHECK(parked.pair.heard == "CONNECTSUBSCRIBE" + large);
  CHECK(parked.pair.parked());
  parked.exchange("ping", "pong");
}

TEST_CASE("parked link: records that come byte by byte") {
  // The client's records go to memory first, and from there one byte at a time.
  Parked parked;
  parked.begin();
  SSL* const client = parked.pair.client();
  BIO* const memory = BIO_new(BIO_s_mem());
  BIO_up_ref(SSL_get_rbio(client));
  SSL_set0_rbio(client, SSL_get_rbio(client));
  SSL_set0_wbio(client, memory);
  parked.pair.heard.clear();
  parked.pair.client_write("one");
  parked.pair.client_write("two");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  const std::string records(data, static_cast<std::size_t>(size));
  for (const char byte : records) {
    parked.pair.send_raw({&byte, 1});
    parked.pair.wait_for_server();
    const auto got = parked.pair.read().kind;
    CHECK((got == IoResult::Kind::kBytes || got == IoResult::Kind::kWantRead));
  }
  CHECK(parked.pair.heard == "onetwo");
  parked.pair.write("heard");
  parked.pair.client_heard.clear();
  parked.pair.client_read_until(5);
  CHECK(parked.pair.client_heard == "heard");
}

TEST_CASE("parked link: a client that does not read for a while loses nothing") {
  Parked parked;
  parked.begin();
  parked.pair.client_heard.clear();
  std::string text;
  for (int i = 0; text.size() < 8UL << 20U; ++i) text += std::to_string(i) + ' ';
  // The kernel takes some of it, then part of a record.
  std::string_view rest = text;
  for (IoResult wrote = parked.pair.link->write(rest); wrote.kind == IoResult::Kind::kBytes;
       wrote = parked.pair.link->write(rest)) {
    rest.remove_prefix(wrote.bytes);
  }
  REQUIRE_FALSE(rest.empty());
  CHECK(parked.pair.link->write(rest).kind == IoResult::Kind::kWantWrite);
  // In between the client asks for new keys; the answer must wait for the record that is half out.
  REQUIRE(SSL_key_update(parked.pair.client(), SSL_KEY_UPDATE_REQUESTED) == 1);
  parked.pair.client_write("question");
  parked.pair.heard.clear();
  REQUIRE(parked.pair.read_until(8) == IoResult::Kind::kBytes);
  parked.pair.write(rest);
  parked.pair.client_read_until(text.size());
  CHECK((parked.pair.client_heard == text));
  parked.exchange("all", "there");
}

TEST_CASE("parked link: the client closes, and the server after it") {
  Parked parked;
  parked.begin();
  CHECK(SSL_shutdown(parked.pair.client()) == 0);
  CHECK(parked.next() == IoResult::Kind::kEnd);
  CHECK(parked.next() == IoResult::Kind::kEnd);
  parked.pair.write("last words");
  parked.pair.link->shutdown_write();
  parked.pair.client_heard.clear();
  parked.pair.client_read_until(1000);
  CHECK(parked.pair.client_heard == "last words");
  CHECK((SSL_get_shutdown(parked.pair.client()) & SSL_RECEIVED_SHUTDOWN) != 0);
}

TEST_CASE("parked link: the server closes, and still hears the client") {
  Parked parked;
  parked.begin();
  parked.pair.link->shutdown_write();
  parked.pair.client_read_until(1000);
  CHECK((SSL_get_shutdown(parked.pair.client()) & SSL_RECEIVED_SHUTDOWN) != 0);
  CHECK(parked.pair.client_error.empty());
  parked.pair.heard.clear();
  parked.pair.client_write("late");
  CHECK(parked.pair.read_until(4) == IoResult::Kind::kBytes);
  CHECK(parked.pair.heard == "late");
}

TEST_CASE("parked link: data and close_notify at once: the data first, then the end") {
  Parked parked;
  parked.begin();
  parked.pair.heard.clear();
  parked.pair.client_write("bye");
  CHECK(SSL_shutdown(parked.pair.client()) == 0);
  CHECK(parked.next() == IoResult::Kind::kBytes);
  CHECK(parked.pair.heard == "bye");
  // The owner waits for the socket before it comes again: so there must be something to wait for.
  parked.pair.wait_for_server();
  CHECK(parked.next() == IoResult::Kind::kEnd);
}

TEST_CASE("parked link: what is no record of the client's ends it, and the client learns why") {
  Parked parked;
  parked.begin();
  SUBCASE("an unknown record") {
    parked.pair.send_raw(connect_bytes({}));
    CHECK(parked.next() == IoResult::Kind::kError);
    CHECK(parked.pair.link->last_error() == "TLS: unexpected_message");
    parked.pair.wait_for_client();
    parked.pair.client_read();
    CHECK(parked.pair.client_error == "sslv3 alert unexpected message");
  }
  SUBCASE("a forged one") {
    parked.pair.send_raw(from_hex("17 03 03 00 20") + std::string(32, 'x'));
    CHECK(parked.next() == IoResult::Kind::kError);
    CHECK(parked.pair.link->last_error() == "TLS: bad_record_mac");
    parked.pair.wait_for_client();
    parked.pair.client_read();
    CHECK(parked.pair.client_error == "sslv3 alert bad record mac");
  }
  CHECK(parked.pair.link->write("x").kind == IoResult::Kind::kError);
  CHECK(parked.next() == IoResult::Kind::kError);
}

TEST_CASE("parked link: a client that goes without close_notify has ended all the same") {
  Parked parked;
  parked.begin();
  parked.pair.hang_up();
  CHECK(parked.next() == IoResult::Kind::kEnd);
}

TEST_CASE("parked link: a client that is reset") {
  Parked parked;
  parked.begin();
  parked.pair.reset();
  parked.pair.wait_for_server();
  CHECK(parked.pair.read().kind == IoResult::Kind::kError);
  CHECK(parked.pair.link->last_error() == "Connection reset by peer");
  CHECK(parked.pair.link->write("push").kind == IoResult::Kind::kError);
  parked.pair.link->shutdown_write();
}

TEST_CASE("parked link: a client that takes only small records gets small records") {
  Parked parked([](SSL_CTX* client) {
    SSL_CTX_set_tlsext_max_fragment_length(client, TLSEXT_max_fragment_length_512);
  });
  parked.begin();
  const std::string text(5000, 'm');
  parked.exchange("send much", text);
}

TEST_CASE("parked link: it moves between loops as any link") {
  Parked parked;
  parked.begin();
  server::Loop other;
  parked.pair.link->detach();
  parked.pair.link->attach(other);
  parked.exchange("moved", "well");
  parked.pair.link.reset();
}

}  // namespace kscpush::test

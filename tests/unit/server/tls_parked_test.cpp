// A parked TLS 1.3 connection: what a client may send, and the alerts for the rest.
#include "server/net/tls_parked.hpp"

#include <limits>

#include <doctest/doctest.h>

#include "tests/support/net/tls_records.hpp"

namespace kscpush::test {
namespace {

using server::ParkedTls;
using server::TlsTraffic;
using State = ParkedTls::State;

// A parked connection and its client.
class Pair {
 public:
  explicit Pair(const TlsTraffic& traffic = test_traffic()) : client(traffic) {
    REQUIRE(server.begin(traffic));
  }

  // What the server hears of RECORDS; what it says to them is in SAID.
  std::string hear(std::string records) {
    const auto got = server.receive(records, control);
    said = client.read(control);
    control.clear();
    consumed = got.consumed;
    return records.substr(0, got.plain);
  }
  // The client hears what the server seals.
  std::string say(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const std::size_t n = server.seal(text, out);
      REQUIRE(n > 0);
      text.remove_prefix(n);
    }
    return client.read(out);
  }
  // RECORDS end the connection with this alert, whose number is in hex.
  void ends(const std::string& records, const std::string& alert) {
    hear(records);
    CHECK(said == "alert:02" + alert);
    CHECK(server.state() == State::kFailed);
    std::string out;
    CHECK(server.seal("x", out) == 0);
    server.close(out);
    CHECK(out.empty());
  }

  ParkedTls server;
  RecordClient client;
  std::string control;
  std::string said;
  std::size_t consumed = 0;
};

constexpr char kUnexpected[] = "0a";
constexpr char kBadMac[] = "14";
constexpr char kOverflow[] = "16";
constexpr char kIllegal[] = "2f";
constexpr char kDecode[] = "32";

}  // namespace

TEST_CASE("parked TLS: data both ways") {
  Pair pair;
  CHECK(pair.hear(pair.client.data("hello")) == "hello");
  CHECK(pair.said.empty());
  CHECK(pair.say("world") == "data:world");
  CHECK(pair.server.state() == State::kOpen);
  CHECK(pair.server.reason().empty());
}

TEST_CASE("parked TLS: goes on where the handshake left off, tickets counted") {
  TlsTraffic traffic = test_traffic();
  traffic.received = 3;
  traffic.sent = 2;
  Pair pair(traffic);
  CHECK(pair.hear(pair.client.data("hello")) == "hello");
  CHECK(pair.say("world") == "data:world");
}

TEST_CASE("parked TLS: several records at once, and the beginning of the next") {
  Pair pair;
  std::string first = pair.client.data("one ");
  first += pair.client.data("");
  first += pair.client.record(kDataType, "two ", 300);
  first += pair.client.data("three");
  const std::string next = pair.client.data("four");
  CHECK(pair.hear(first + next.substr(0, 20)) == "one two three");
  CHECK(pair.consumed == first.size());
  CHECK(pair.hear(next) == "four");
}

TEST_CASE("parked TLS: nothing is taken of a record that is not whole") {
  Pair pair;
  const std::string record = pair.client.data("hello");
  for (std::size_t size = 0; size < record.size(); ++size) {
    CHECK(pair.hear(record.substr(0, size)).empty());
    CHECK(pair.consumed == 0);
    CHECK(pair.server.state() == State::kOpen);
  }
  CHECK(pair.hear(record) == "hello");
}

TEST_CASE("parked TLS: padding up to the largest record, and no further") {
  Pair pair;
  const std::string most(server::kMostTlsPlain, 'x');
  CHECK(pair.hear(pair.client.data(most)) == most);
  CHECK(pair.hear(pair.client.record(kDataType, "x", server::kMostTlsPlain - 1)) == "x");
  SUBCASE("content too long") {
    pair.ends(pair.client.data(most + "x"), kOverflow);
  }
  SUBCASE("padding too long") {
    pair.ends(pair.client.record(kDataType, "x", server::kMostTlsPlain), kOverflow);
  }
  SUBCASE("a header that says so is enough") {
    pair.ends(from_hex("17 03 03 41 01"), kOverflow);
  }
}

TEST_CASE("parked TLS: records that nobody may send") {
  Pair pair;
  SUBCASE("nothing but padding") {
    pair.ends(pair.client.raw(std::string(5, '\0')), kUnexpected);
  }
  SUBCASE("an empty inner text") {
    pair.ends(pair.client.raw(""), kBadMac);
  }
  SUBCASE("an unknown inner type") {
    pair.ends(pair.client.record(24, "x"), kUnexpected);
  }
  SUBCASE("change_cipher_spec inside") {
    pair.ends(pair.client.record(20, "\1"), kUnexpected);
  }
  SUBCASE("change_cipher_spec outside") {
    pair.ends(from_hex("14 03 03 00 01 01"), kUnexpected);
  }
  SUBCASE("an alert in clear") {
    pair.ends(from_hex("15 03 03 00 02 01 00"), kUnexpected);
  }
  SUBCASE("a ClientHello") {
    pair.ends(from_hex("16 03 01 02 00 01 00"), kUnexpected);
  }
  SUBCASE("no TLS at all") {
    pair.ends("GET / HTTP/1.1", kUnexpected);
  }
  SUBCASE("too short for a tag") {
    pair.ends(from_hex("17 03 03 00 05 01 02 03 04 05"), kBadMac);
  }
  SUBCASE("of length 0") {
    pair.ends(from_hex("17 03 03 00 00"), kBadMac);
  }
  SUBCASE("not sealed by the client") {
    std::string record = pair.client.data("hello");
    record.back() = static_cast<char>(record.back() ^ 1);
    pair.ends(record, kBadMac);
  }
  SUBCASE("one that came before") {
    const std::string record = pair.client.data("hello");
    CHECK(pair.hear(record) == "hello");
    pair.ends(record, kBadMac);
  }
}

TEST_CASE("parked TLS: what came before the record that ends it is data all the same") {
  Pair pair;
  const std::string good = pair.client.data("last words");
  CHECK(pair.hear(good + from_hex("15 03 03 00 02 01 00")) == "last words");
  CHECK(pair.said == "alert:020a");
  CHECK(pair.server.reason() == "unexpected_message");
}

TEST_CASE("parked TLS: the client's KeyUpdate, without a wish for ours") {
  Pair pair;
  CHECK(pair.hear(pair.client.record(kHandshakeType, kUpdateNotRequested)).empty());
  CHECK(pair.said.empty());
  REQUIRE(pair.client.sending.update());
  CHECK(pair.hear(pair.client.data("new keys")) == "new keys");
  CHECK(pair.say("old keys") == "data:old keys");
}

TEST_CASE("parked TLS: the client's KeyUpdate that asks for ours is answered, with every suite") {
  for (const auto suite : {server::TlsSuite::kAes128GcmSha256, server::TlsSuite::kAes256GcmSha384,
                           server::TlsSuite::kChacha20Poly1305Sha256}) {
    Pair pair(test_traffic(suite));
    for (int i = 0; i < 3; ++i) {
      const std::string before = pair.client.data("before ");
      const std::string update = pair.client.record(kHandshakeType, kUpdateRequested);
      REQUIRE(pair.client.sending.update());
      CHECK(pair.hear(before + update + pair.client.data("after")) == "before after");
      CHECK(pair.said == "handshake:1800000100");
      CHECK(pair.say("new keys") == "data:new keys");
    }
  }
}

TEST_CASE("parked TLS: one answer for all KeyUpdates that it has not answered yet") {
  Pair pair;
  std::string records;
  for (int i = 0; i < 3; ++i) {
    records += pair.client.record(kHandshakeType, kUpdateRequested);
    REQUIRE(pair.client.sending.update());
  }
  pair.hear(records);
  CHECK(pair.said == "handshake:1800000100");
  // While other records wait to be sent it waits too, and goes before the next data.
  const std::string next = pair.client.record(kHandshakeType, kUpdateRequested);
  std::string waiting = "records that the kernel has not taken";
  std::string bytes = next;
  pair.server.receive(bytes, waiting);
  CHECK(waiting == "records that the kernel has not taken");
  CHECK(pair.say("data") == "handshake:1800000100 data:data");
}

TEST_CASE("parked TLS: a KeyUpdate in pieces") {
  Pair pair;
  std::string records;
  for (const char c : kUpdateRequested) records += pair.client.record(kHandshakeType, {&c, 1});
  pair.hear(records);
  CHECK(pair.said == "handshake:1800000100");
  REQUIRE(pair.client.sending.update());
  CHECK(pair.hear(pair.client.data("x")) == "x");
}

TEST_CASE("parked TLS: handshake messages that a client may not send") {
  Pair pair;
  SUBCASE("a new session ticket") {
    pair.ends(pair.client.record(kHandshakeType, from_hex("04 00 00 01 00")), kUnexpected);
  }
  SUBCASE("a certificate, unasked") {
    pair.ends(pair.client.record(kHandshakeType, "\x0b"), kUnexpected);
  }
  SUBCASE("Finished once more") {
    pair.ends(pair.client.record(kHandshakeType, "\x14"), kUnexpected);
  }
  SUBCASE("a ClientHello") {
    pair.ends(pair.client.record(kHandshakeType, "\x01"), kUnexpected);
  }
  SUBCASE("an empty one") {
    pair.ends(pair.client.record(kHandshakeType, ""), kUnexpected);
  }
  SUBCASE("a KeyUpdate of another length") {
    pair.ends(pair.client.record(kHandshakeType, from_hex("18 00 00 02 00 00")), kDecode);
  }
  SUBCASE("a KeyUpdate that says neither yes nor no") {
    pair.ends(pair.client.record(kHandshakeType, from_hex("18 00 00 01 02")), kIllegal);
  }
  SUBCASE("a KeyUpdate with more behind it in its record") {
    pair.ends(pair.client.record(kHandshakeType, from_hex("18 00 00 01 00 18")), kUnexpected);
  }
  SUBCASE("data between the pieces of a message") {
    pair.hear(pair.client.record(kHandshakeType, "\x18"));
    pair.ends(pair.client.data("x"), kUnexpected);
  }
  SUBCASE("data after a KeyUpdate, with the old keys") {
    pair.hear(pair.client.record(kHandshakeType, kUpdateNotRequested));
    pair.ends(pair.client.data("x"), kBadMac);
  }
}

TEST_CASE("parked TLS: a client that keeps us busy for nothing is stopped") {
  Pair pair;
  const auto idle = [&](bool update) {
    if (!update) return pair.client.data("");
    std::string record = pair.client.record(kHandshakeType, kUpdateNotRequested);
    REQUIRE(pair.client.sending.update());
    return record;
  };
  for (const bool update : {false, true}) {
    for (int i = 0; i < ParkedTls::kMostIdleRecords; ++i) pair.hear(idle(update));
    CHECK(pair.hear(pair.client.data("x")) == "x");
  }
  for (int i = 0; i < ParkedTls::kMostIdleRecords; ++i) pair.hear(idle(i % 2 == 0));
  CHECK(pair.server.state() == State::kOpen);
  pair.ends(idle(false), kUnexpected);
}

TEST_CASE("parked TLS: close_notify of the client") {
  Pair pair;
  const std::string last = pair.client.data("bye");
  const std::string close = pair.client.record(kAlertType, from_hex("01 00"));
  // What follows it is ignored (RFC 8446, 6.1).
  CHECK(pair.hear(last + close + "rubbish") == "bye");
  CHECK(pair.said.empty());
  CHECK(pair.server.state() == State::kPeerClosed);
  CHECK(pair.hear("rubbish").empty());
  CHECK(pair.say("still") == "data:still");
  std::string out;
  pair.server.close(out);
  CHECK(pair.client.read(out) == "alert:0100");
}

TEST_CASE("parked TLS: our close_notify, once; the client's data is still heard") {
  Pair pair;
  std::string out;
  pair.server.close(out);
  CHECK(pair.client.read(out) == "alert:0100");
  out.clear();
  pair.server.close(out);
  CHECK(out.empty());
  CHECK(pair.server.seal("x", out) == 0);
  CHECK(pair.hear(pair.client.data("late")) == "late");
  // Nothing may follow our close_notify, no answer to a KeyUpdate and no alert either.
  pair.hear(pair.client.record(kHandshakeType, kUpdateRequested));
  CHECK(pair.said.empty());
  pair.hear("rubbish");
  CHECK(pair.said.empty());
  CHECK(pair.server.state() == State::kFailed);
}

TEST_CASE("parked TLS: alerts of the client end it, whatever their level says") {
  for (const char* const alert : {"02 14", "01 14", "02 0a", "02 ff"}) {
    Pair pair;
    pair.hear(pair.client.record(kAlertType, from_hex(alert)));
    CHECK(pair.said.empty());
    CHECK(pair.server.state() == State::kAlerted);
    std::string out;
    CHECK(pair.server.seal("x", out) == 0);
    pair.server.close(out);
    CHECK(out.empty());
  }
  Pair pair;
  pair.hear(pair.client.record(kAlertType, from_hex("02 14")));
  CHECK(pair.server.reason() == "the peer ended it: bad_record_mac");
}

TEST_CASE("parked TLS: user_canceled announces close_notify and ends nothing by itself") {
  Pair pair;
  pair.hear(pair.client.record(kAlertType, from_hex("01 5a")));
  CHECK(pair.server.state() == State::kOpen);
  pair.hear(pair.client.record(kAlertType, from_hex("01 00")));
  CHECK(pair.server.state() == State::kPeerClosed);
}

TEST_CASE("parked TLS: alerts are neither split nor joined") {
  Pair pair;
  SUBCASE("split") {
    pair.ends(pair.client.record(kAlertType, "\1"), kDecode);
  }
  SUBCASE("joined") {
    pair.ends(pair.client.record(kAlertType, from_hex("01 5a 01 00")), kDecode);
  }
  SUBCASE("empty") {
    pair.ends(pair.client.record(kAlertType, ""), kUnexpected);
  }
}

TEST_CASE("parked TLS: we change our keys in time") {
  TlsTraffic traffic = test_traffic();
  traffic.sent = ParkedTls::kRecordsPerKey - 1;
  Pair pair(traffic);
  CHECK(pair.say("last") == "data:last");
  CHECK(pair.say("first") == "handshake:1800000100 data:first");
  CHECK(pair.say("second") == "data:second");
  CHECK(pair.server.sent() == 2);
}

TEST_CASE("parked TLS: a client that has used up its sequence numbers is stopped") {
  TlsTraffic traffic = test_traffic();
  traffic.received = std::numeric_limits<std::uint64_t>::max() - 1;
  Pair pair(traffic);
  CHECK(pair.hear(pair.client.data("the last one")) == "the last one");
  pair.ends(from_hex("17 03 03 00 11") + std::string(17, 'x'), kBadMac);
}

TEST_CASE("parked TLS: no record is larger than the client said it takes") {
  TlsTraffic traffic = test_traffic();
  traffic.most_plain = 4;
  Pair pair(traffic);
  CHECK(pair.say("abcdefghij") == "data:abcd data:efgh data:ij");
}

TEST_CASE("parked TLS: long data goes in records of the largest size") {
  Pair pair;
  const std::string text(server::kMostTlsPlain + 1, 'y');
  CHECK(pair.say(text) == "data:" + text.substr(1) + " data:y");
}

TEST_CASE("parked TLS: it is small") {
  CHECK(sizeof(ParkedTls) <= 320);
}

}  // namespace kscpush::test

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/mqtt/client_session.hpp"
#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Phase = ClientSession::Phase;
using Publishing = ClientSession::Publishing;

namespace {

// A client whose peer is the test. Like the other tests', its bytes go to two sessions, to one of
// them byte by byte.
class Client {
 public:
  explicit Client(const ClientOptions& options) {
    for (Side& side : sides_) side.session = std::make_unique<ClientSession>(options);
  }
  void start() {
    both([&](Side& side) { side.session->start(now_, side.recorder); });
  }
  void get(std::string_view bytes) {
    receive(sides_[0], bytes);
    for (const char& c : bytes) receive(sides_[1], {&c, 1});
    compare();
  }
  Publishing publish(std::uint64_t token, std::string payload = "{}", std::uint8_t qos = 1) {
    Publishing result{};
    both([&](Side& side) {
      result = side.session->publish(UpTopic::kEvent, payload, qos, token, now_, side.recorder);
    });
    return result;
  }
  void disconnect() {
    both([&](Side& side) { side.session->disconnect(ReasonCode::kSuccess, side.recorder); });
  }
  void lose_connection() {
    both([&](Side& side) {
      side.session->connection_lost(side.recorder);
      side.unread.clear();
    });
  }
  void pass(std::chrono::milliseconds time) { now_ += time; }
  void tick() {
    both([&](Side& side) { side.session->tick(now_, side.recorder); });
  }
  std::string output() {
    sides_[1].recorder.output_.clear();
    return std::exchange(sides_[0].recorder.output_, {});
  }
  Calls calls() {
    sides_[1].recorder.calls_.clear();
    return std::exchange(sides_[0].recorder.calls_, {});
  }
  [[nodiscard]] std::string output_at_push() const { return sides_[0].recorder.output_at_push_; }
  [[nodiscard]] MonoTime now() const { return now_; }
  [[nodiscard]] const ClientSession& session() const { return *sides_[0].session; }

 private:
  struct Side {
    std::unique_ptr<ClientSession> session;
    ClientRecorder recorder;
    std::string unread;
  };
  template <class Do>
  void both(Do&& action) {
    for (Side& side : sides_) action(side);
    compare();
  }
  void receive(Side& side, std::string_view bytes) {
    side.unread.append(bytes);
    const std::size_t taken = side.session->receive(side.unread, now_, side.recorder);
    REQUIRE(taken <= side.unread.size());
    side.unread.erase(0, taken);
  }
  void compare() {
    CHECK(sides_[1].recorder.calls_ == sides_[0].recorder.calls_);
    CHECK(hex(sides_[1].recorder.output_) == hex(sides_[0].recorder.output_));
    CHECK(sides_[1].session->phase() == sides_[0].session->phase());
    CHECK(sides_[1].session->deadline() == sides_[0].session->deadline());
  }

  MonoTime now_{1h};
  std::array<Side, 2> sides_;
};

const std::string kPlainConnack = bytes("20 03 00 00 00");
const std::string kResumedConnack = bytes("20 03 01 00 00");

// CONNECT as these options make it.
std::string expected_connect(std::uint8_t flags) {
  return connect({.flags = flags,
                  .keep_alive_s = 100,
                  .properties = "\x11" + u32(172800) + "\x27" + u32(81920) + "\x26" +
                                str("kscpush-agent") + str("0.1.0")});
}

std::string expected_subscribe(std::uint16_t id) {
  return packet(0x82, u16(id) + properties("") + str(kInbox) + '\x21');
}

std::string suback(std::uint16_t id, std::uint8_t code = 1) {
  return packet(0x90, u16(id) + properties("") + static_cast<char>(code));
}

std::string message(std::uint8_t flags, std::uint16_t id, std::string_view payload = "{}") {
  return publish(flags, kUp + "event", id, payload, Version::kV5,
                 bytes("01 01 03 00 10 'application/json'"));
}

// Connected to a server that had no session, subscribed with packet identifier 1.
Client ready_client(const ClientOptions& with = client_options(),
                    std::string_view connack = kPlainConnack) {
  Client client(with);
  client.start();
  client.get(connack);
  client.get(suback(1));
  REQUIRE(client.session().phase() == Phase::kReady);
  static_cast<void>(client.output());
  static_cast<void>(client.calls());
  return client;
}

}  // namespace

TEST_CASE("[MQTT-3.1.2-30] [MQTT-3.2.2-18] client: CONNECT, SUBSCRIBE to the inbox, ready") {
  Client client(client_options());
  CHECK(client.session().phase() == Phase::kIdle);
  client.start();
  CHECK(hex(client.output()) == hex(expected_connect(0x00)));
  client.get(kPlainConnack);
  CHECK(hex(client.output()) == hex(expected_subscribe(1)));
  CHECK(client.calls().empty());
  client.get(suback(1));
  CHECK(client.calls() == Calls{"ready"});
  CHECK(client.output().empty());
}

TEST_CASE("client: Clean Start, user name and password when asked for") {
  ClientOptions with = client_options();
  with.clean_start = true;
  with.agent.clear();
  with.username = "pc-1";
  with.password = "secret";
  Client client(with);
  client.start();
  CHECK(hex(client.output()) ==
        hex(connect({.flags = 0xC2,
                     .keep_alive_s = 100,
                     .properties = "\x11" + u32(172800) + "\x27" + u32(81920),
                     .tail = str("pc-1") + str("secret")})));
}

TEST_CASE("client: a session that the server still has needs no second SUBSCRIBE") {
  Client client = ready_client();
  client.lose_connection();
  CHECK(client.calls() == Calls{"end connection_lost 0x00"});
  client.start();
  CHECK(hex(client.output()) == hex(expected_connect(0x00)));
  client.get(kResumedConnack);
  CHECK(client.output().empty());
  CHECK(client.calls() == Calls{"ready resumed"});
}

TEST_CASE("client: SUBSCRIBE again when it was never acknowledged") {
  Client client(client_options());
  client.start();
  client.get(kPlainConnack);
  client.lose_connection();
  static_cast<void>(client.output());
  client.start();
  static_cast<void>(client.output());
  client.get(kResumedConnack);
  CHECK(hex(client.output()) == hex(expected_subscribe(2)));
}

TEST_CASE("[MQTT-3.2.2-4] client: Session Present after Clean Start is the server's error") {
  ClientOptions with = client_options();
  with.clean_start = true;
  Client client(with);
  client.start();
  static_cast<void>(client.output());
  client.get(kResumedConnack);
  CHECK(client.calls() ==
        Calls{"end protocol_error 0x82 'CONNACK: session present after Clean Start'"});
  CHECK(hex(client.output().substr(0, 1)) == "e0");
}

TEST_CASE("client: after a session without expiry the next begins with Clean Start") {
  Client client = ready_client(client_options(), bytes("20 08 00 00 05 11 00 00 00 00"));
  client.lose_connection();
  client.start();
  CHECK(hex(client.output()) == hex(expected_connect(0x02)));
}

TEST_CASE("client: refused, with reason and server reference") {
  Client client(client_options());
  client.start();
  static_cast<void>(client.output());
  client.get(
      packet(0x20, bytes("00 9c") + properties(bytes("1c 00 0a 'dp-2:13295' 1f 00 04 'full'"))));
  CHECK(client.calls() == Calls{"end refused 0x9c 'full' -> dp-2:13295"});
  CHECK(client.output().empty());
  CHECK(client.session().phase() == Phase::kIdle);
  client.start();
  CHECK(client.session().phase() == Phase::kConnecting);
}

TEST_CASE("client: a refused subscription ends the connection") {
  Client client(client_options());
  client.start();
  client.get(kPlainConnack);
  static_cast<void>(client.output());
  client.get(suback(1, 0x87));
  CHECK(client.calls() == Calls{"end not_subscribed 0x87"});
  CHECK(hex(client.output()) == "e0 00");
}

TEST_CASE("[MQTT-4.5.0-2] [MQTT-4.6.0-2] client: a push is handed over, then acknowledged") {
  Client client = ready_client();
  client.get(publish(0x02, kInbox, 0x1234, "{\"v\":1}", Version::kV5,
                     bytes("01 01 09 00 03 '01A' 08 00 01 'r'")));
  CHECK(client.calls() == Calls{"push {\"v\":1} 01A"});
  CHECK(client.output_at_push().empty());
  CHECK(hex(client.output()) == "40 02 12 34");
  client.get(publish(0x0A, kInbox, 0x1234, "{}") + publish(0x00, kInbox, 0, "q0"));
  CHECK(client.calls() == Calls{"push {} dup", "push q0"});
  CHECK(hex(client.output()) == "40 02 12 34");
}

TEST_CASE("client: pushes of a resumed session may come before it is ready") {
  Client client(client_options());
  client.start();
  client.get(kResumedConnack + publish(0x0A, kInbox, 7, "{}") + suback(1));
  CHECK(client.calls() == Calls{"push {} dup", "ready resumed"});
}

TEST_CASE("[MQTT-2.2.1-3] [MQTT-4.3.2-3] client: messages are kept until acknowledged") {
  Client client = ready_client();
  CHECK(client.publish(10, "a") == Publishing::kSent);
  CHECK(client.publish(11, "b") == Publishing::kSent);
  CHECK(hex(client.output()) == hex(message(0x02, 2, "a") + message(0x02, 3, "b")));
  CHECK(client.session().pending() == 2);
  client.get(puback(2) + bytes("40 03 00 03 87"));
  CHECK(client.calls() == Calls{"published 10 success", "published 11 not authorized"});
  CHECK(client.session().pending() == 0);
}

TEST_CASE("client: messages at QoS 0 are sent or not") {
  Client client(client_options());
  CHECK(client.publish(1, "{}", 0) == Publishing::kOffline);
  Client ready = ready_client();
  CHECK(ready.publish(1, "{}", 0) == Publishing::kSent);
  CHECK(hex(ready.output()) == hex(message(0x00, 0)));
  CHECK(ready.session().pending() == 0);
}

TEST_CASE("[MQTT-3.3.4-7] client: no more unacknowledged than the server's Receive Maximum") {
  Client client = ready_client(client_options(), bytes("20 06 00 00 03 21 00 02"));
  CHECK(client.publish(1) == Publishing::kSent);
  CHECK(client.publish(2) == Publishing::kSent);
  CHECK(client.publish(3) == Publishing::kQueued);
  CHECK(hex(client.output()) == hex(message(0x02, 2) + message(0x02, 3)));
  client.get(puback(3));
  CHECK(hex(client.output()) == hex(message(0x02, 4)));
  CHECK(client.calls() == Calls{"published 2 success"});
}

TEST_CASE("client: the queue is bounded in messages and in bytes") {
  ClientOptions with = client_options();
  with.queue_messages = 3;
  with.queue_bytes = 10;
  Client client(with);
  CHECK(client.publish(1, "12345678901") == Publishing::kFull);
  CHECK(client.publish(1, "12345678") == Publishing::kQueued);
  CHECK(client.publish(2, "123") == Publishing::kFull);
  CHECK(client.publish(2, "1") == Publishing::kQueued);
  CHECK(client.publish(3, "1") == Publishing::kQueued);
  CHECK(client.publish(4, "") == Publishing::kFull);
  client.start();
  client.get(kPlainConnack);
  client.get(puback(1));
  CHECK(client.publish(4, "12345678") == Publishing::kSent);
}

TEST_CASE(
    "[MQTT-4.4.0-1] [MQTT-4.6.0-1] client: unacknowledged messages go again with DUP, the rest "
    "follows") {
  ClientOptions with = client_options();
  with.window = 2;
  Client client = ready_client(with);
  for (std::uint64_t token = 1; token <= 3; ++token) client.publish(token, std::to_string(token));
  client.lose_connection();
  client.publish(4, "4");
  static_cast<void>(client.output());
  client.start();
  static_cast<void>(client.output());
  client.get(kResumedConnack);
  CHECK(hex(client.output()) == hex(message(0x0A, 2, "1") + message(0x0A, 3, "2")));
  client.get(puback(2) + puback(3));
  CHECK(hex(client.output()) == hex(message(0x02, 4, "3") + message(0x02, 5, "4")));
}

TEST_CASE("[MQTT-3.2.2-5] client: without a session present they are new messages") {
  Client client = ready_client();
  client.publish(1, "1");
  client.publish(2, "2");
  client.lose_connection();
  client.start();
  static_cast<void>(client.output());
  client.get(kPlainConnack);
  CHECK(hex(client.output()) ==
        hex(message(0x02, 4, "1") + message(0x02, 5, "2") + expected_subscribe(6)));
}

TEST_CASE("[MQTT-3.2.2-15] client: what is above the server's Maximum Packet Size is given up") {
  Client client = ready_client(client_options(), bytes("20 08 00 00 05 27 00 00 00 c8"));
  CHECK(client.publish(1, std::string(200, 'x')) == Publishing::kTooLarge);
  CHECK(client.publish(1, std::string(200, 'x'), 0) == Publishing::kTooLarge);
  client.lose_connection();
  CHECK(client.publish(2, std::string(200, 'x')) == Publishing::kQueued);
  CHECK(client.publish(3, "{}") == Publishing::kQueued);
  static_cast<void>(client.calls());
  client.start();
  static_cast<void>(client.output());
  client.get(bytes("20 08 01 00 05 27 00 00 00 c8"));
  CHECK(client.calls() == Calls{"published 2 packet too large", "ready resumed"});
  CHECK(client.session().pending() == 1);
}

TEST_CASE("[MQTT-3.1.2-20] [MQTT-3.3.4-8] client: pings before the keep alive is over") {
  Client client = ready_client();
  CHECK(client.session().deadline() == client.now() + 90s);
  client.pass(89999ms);
  client.tick();
  CHECK(client.output().empty());
  client.pass(1ms);
  client.tick();
  CHECK(client.output() == kPingreq);
  CHECK(client.session().deadline() == client.now() + 10s);
  client.get(kPingresp);
  CHECK(client.session().deadline() == client.now() + 90s);
  CHECK(client.calls().empty());
}

TEST_CASE("[MQTT-3.1.2-21] [MQTT-3.2.2-21] client: the server's keep alive rules") {
  Client client = ready_client(client_options(), bytes("20 06 00 00 03 13 00 0a"));
  CHECK(client.session().deadline() == client.now() + 9s);
  Client never = ready_client(client_options(), bytes("20 06 00 00 03 13 00 00"));
  CHECK(never.session().deadline() == MonoTime::max());
}

TEST_CASE("client: sending alone does not keep a dead server alive") {
  Client client = ready_client();
  for (int i = 0; i < 9; ++i) {
    client.pass(10s);
    client.publish(1, "{}", 0);
  }
  static_cast<void>(client.output());
  client.tick();
  CHECK(client.output() == kPingreq);
  client.pass(10s);
  client.tick();
  CHECK(client.calls() == Calls{"end no_answer 0x00 'no PINGRESP'"});
  CHECK(client.output().empty());
}

TEST_CASE("client: no CONNACK, no SUBACK in time") {
  Client client(client_options());
  client.start();
  client.pass(9999ms);
  client.tick();
  CHECK(client.calls().empty());
  client.pass(1ms);
  client.tick();
  CHECK(client.calls() == Calls{"end no_answer 0x00 'no CONNACK'"});
  client.start();
  client.get(kPlainConnack);
  client.pass(10s);
  client.tick();
  CHECK(client.calls() == Calls{"end no_answer 0x00 'no SUBACK'"});
  CHECK(client.session().deadline() == MonoTime::max());
}

TEST_CASE("[MQTT-3.14.4-1] client: DISCONNECT, ours and the server's") {
  Client client = ready_client();
  client.disconnect();
  CHECK(hex(client.output()) == "e0 00");
  CHECK(client.calls() == Calls{"end disconnected 0x00"});
  client.disconnect();
  client.lose_connection();
  CHECK(client.calls().empty());

  Client told = ready_client();
  told.get(packet(0xE0, bytes("9c") + properties("\x1c" + str("dp-2:13295"))) + kPingresp);
  CHECK(told.calls() == Calls{"end server_disconnected 0x9c -> dp-2:13295"});
  CHECK(told.output().empty());
}

TEST_CASE("[MQTT-3.3.2-10] client: what a server must not send ends the connection") {
  struct Case {
    std::string packet;
    const char* told;
  };
  for (const Case& c :
       {Case{kPingresp, "end protocol_error 0x82 'PINGRESP: without PINGREQ'"},
        Case{kPlainConnack, "end protocol_error 0x82 'CONNACK: not expected from a server here'"},
        Case{kPingreq, "end protocol_error 0x82 'PINGREQ: not expected from a server here'"},
        Case{puback(9),
             "end protocol_error 0x82 'PUBACK: no PUBLISH with that packet identifier "
             "is unanswered'"},
        Case{suback(1), "end protocol_error 0x82 'SUBACK: without SUBSCRIBE'"},
        Case{publish(0x02, "other", 1, "{}"),
             "end protocol_error 0x82 'PUBLISH: not what was subscribed to'"},
        Case{publish(0x04, kInbox, 1, "{}"),
             "end protocol_error 0x82 'PUBLISH: not what was subscribed to'"},
        Case{publish(0x00, kInbox, 0, "{}", Version::kV5, bytes("23 00 01")),
             "end protocol_error 0x94 'PUBLISH: Topic Alias: above the maximum'"},
        Case{bytes("d0 01 00"), "end protocol_error 0x81 'PINGRESP: bytes after the fixed header'"},
        Case{bytes("30 ff ff ff 7f"),
             "end protocol_error 0x95 'PUBLISH: packet larger than allowed'"},
        Case{bytes("e0 01 04"),
             "end protocol_error 0x82 'DISCONNECT: reason code that this packet "
             "does not have'"}}) {
    Client client = ready_client();
    client.get(c.packet);
    CHECK(client.calls() == Calls{c.told});
    CHECK(hex(client.output().substr(0, 1)) == "e0");
  }
  Client early(client_options());
  early.start();
  static_cast<void>(early.output());
  early.get(bytes("e0 00"));
  CHECK(early.calls() == Calls{"end protocol_error 0x82 'DISCONNECT: before CONNACK'"});
  CHECK(early.output().empty());
}

TEST_CASE("client: a server that cannot be used is left") {
  struct Case {
    std::string connack;
    const char* told;
  };
  for (const Case& c :
       {Case{packet(0x20, bytes("00 00") + properties(bytes("24 00"))),
             "end protocol_error 0x83 'CONNACK: a push server has QoS 1'"},
        Case{packet(0x20, bytes("00 00") + properties(bytes("15 00 01 'm'"))),
             "end protocol_error 0x82 'CONNACK: Authentication Method that was not asked for'"},
        Case{packet(0x20, bytes("00 00") + properties(bytes("27 00 00 00 10"))),
             "end protocol_error 0x83 'CONNACK: Maximum Packet Size: no room for SUBSCRIBE'"}}) {
    Client client(client_options());
    client.start();
    static_cast<void>(client.output());
    client.get(c.connack);
    CHECK(client.calls() == Calls{c.told});
    CHECK(hex(client.output().substr(0, 1)) == "e0");
  }
}

TEST_CASE("client: SUBACK must answer what was asked for") {
  for (const std::string& answer :
       {suback(1, 2), suback(7), packet(0x90, u16(1) + properties("") + bytes("01 01"))}) {
    Client client(client_options());
    client.start();
    client.get(kPlainConnack);
    static_cast<void>(client.output());
    client.get(answer);
    CHECK(client.calls().front().starts_with("end protocol_error 0x82 'SUBACK: "));
  }
}

TEST_CASE("[MQTT-3.14.2-3] client: no reason string that the server has no room for") {
  Client client = ready_client(client_options(), bytes("20 08 00 00 05 27 00 00 00 26"));
  client.get(kPingreq);
  CHECK(hex(client.output()) == "e0 01 82");
}

TEST_CASE("client: a password that MQTT cannot carry ends the connection before it begins") {
  ClientOptions with = client_options();
  with.username = "pc-1";
  with.password = std::string(65536, 'x');
  Client client(with);
  client.start();
  CHECK(client.output().empty());
  CHECK(client.calls() ==
        Calls{"end protocol_error 0x95 'user name or password above 65535 bytes'"});
}

}  // namespace kscpush::mqtt

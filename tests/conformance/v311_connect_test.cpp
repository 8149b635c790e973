// MQTT 3.1.1: CONNECT and CONNACK.
#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt {

using namespace testing;

namespace {

std::string raw(std::string_view body) {
  return packet(0x10, bytes("00 04 'MQTT' 04") + bytes(body));
}
ConnectOptions options(std::uint8_t flags = 2) {
  return {.version = k311, .flags = flags};
}

}  // namespace

TEST_CASE("[MQTT-3.1.0-1 of 3.1.1] the first packet must be CONNECT") {
  for (const std::string& first :
       {kPingreq, subscribe(1, {kInbox}, 1, k311), bytes("e0 00"),
        publish(0, kUp + "event", 0, "{}", k311), bytes("20 02 00 00")}) {
    expect_refused(first, "");
  }
}

TEST_CASE("[MQTT-3.1.0-2 of 3.1.1] a second CONNECT ends the connection") {
  expect_end_311(connect(options()));
}

TEST_CASE("[MQTT-3.1.2-1 of 3.1.1] another protocol name is not answered") {
  for (const char* name : {"MQTX", "mqtt", "", "MQIsdp"}) {
    expect_refused(packet(0x10, str(name) + bytes("04 02 00 3c 00 01 'p'")), "");
  }
}

TEST_CASE("[MQTT-3.1.2-2 of 3.1.1] another protocol level: return code 1, then the end") {
  for (const char* level : {"00", "01", "03", "06", "07", "2a", "84", "ff"}) {
    CAPTURE(level);
    expect_refused(
        packet(0x10, bytes("00 04 'MQTT'") + bytes(level) + bytes("02 00 3c 00 04 'pc-1'")),
        bytes("20 02 00 01"));
  }
  // MQTT 3.1
  expect_refused(packet(0x10, bytes("00 06 'MQIsdp' 03 02 00 3c 00 04 'pc-1'")),
                 bytes("20 02 00 01"));
}

TEST_CASE("[MQTT-3.1.2-3 of 3.1.1] the reserved connect flag must be 0") {
  expect_refused(raw("03 00 3c 00 04 'pc-1'"), "");
}

TEST_CASE("[MQTT-3.1.2-9 of 3.1.1] [MQTT-3.1.2-11 of 3.1.1] will topic and message with the flag") {
  expect_refused(raw("06 00 3c 00 01 'p'"), "");
  expect_refused(raw("06 00 3c 00 01 'p' 00 01 't'"), "");
  expect_refused(raw("02 00 3c 00 01 'p' 00 01 't' 00 01 'm'"), "");
}

TEST_CASE("[MQTT-3.1.2-13 of 3.1.1] [MQTT-3.1.2-14 of 3.1.1] [MQTT-3.1.2-15 of 3.1.1] will flags") {
  expect_refused(raw("0a 00 3c 00 01 'p'"), "");
  expect_refused(raw("12 00 3c 00 01 'p'"), "");
  expect_refused(raw("22 00 3c 00 01 'p'"), "");
  expect_refused(raw("1e 00 3c 00 01 'p' 00 01 't' 00 01 'm'"), "");
  // QoS 2 and retained wills are well-formed, and not authorized.
  expect_refused(connect_with_will(k311, 0x12, kUp + "event"), bytes("20 02 00 05"));
  expect_refused(connect_with_will(k311, 0x22, kUp + "event"), bytes("20 02 00 05"));
}

TEST_CASE("[MQTT-3.1.2-18 of 3.1.1] [MQTT-3.1.2-19 of 3.1.1] user name and its flag") {
  expect_refused(raw("02 00 3c 00 01 'p' 00 01 'u'"), "");
  expect_refused(raw("82 00 3c 00 01 'p'"), "");
}

TEST_CASE("[MQTT-3.1.2-20 of 3.1.1] [MQTT-3.1.2-21 of 3.1.1] [MQTT-3.1.2-22 of 3.1.1] password") {
  expect_refused(raw("82 00 3c 00 01 'p' 00 01 'u' 00 01 'x'"), "");
  expect_refused(raw("c2 00 3c 00 01 'p' 00 01 'u'"), "");
  expect_refused(raw("42 00 3c 00 01 'p' 00 01 'x'"), "");
}

TEST_CASE("[MQTT-3.1.3-1 of 3.1.1] the payload's fields in their order") {
  Device device;
  device.send(connect({.version = k311,
                       .flags = 0xC6,
                       .tail = str(kUp + "event") + str("gone") + str("user") + str("secret")}));
  CHECK(device.calls() ==
        Calls{"connect pc-1 v4 keep_alive=60 expiry=0 user=user password=secret"});
  device.accept();
  device.lose_connection();
  CHECK(device.calls() == Calls{"message event gone", "end connection_lost"});
}

TEST_CASE("[MQTT-3.1.3-3 of 3.1.1] [MQTT-3.1.3-4 of 3.1.1] the client identifier is there, UTF-8") {
  expect_refused(raw("02 00 3c"), "");
  expect_refused(raw("02 00 3c 00 02 c3 28"), "");
  expect_refused(raw("02 00 3c 00 03 'a' 00 'b'"), "");
}

TEST_CASE("[MQTT-3.1.3-5 of 3.1.1] identifiers of 1 to 23 letters and digits are allowed") {
  for (const char* id :
       {"0", "abcdefghijklmnopqrstuvw", "xyz0123456789ABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"}) {
    Device device;
    device.send(connect({.version = k311, .id = id}));
    CHECK(device.session().phase() == Session::Phase::kAwaitDecision);
  }
}

TEST_CASE("[MQTT-3.1.3-7 of 3.1.1] [MQTT-3.1.3-8 of 3.1.1] no identifier: return code 2") {
  for (const std::uint8_t flags : std::initializer_list<std::uint8_t>{0, 2}) {
    expect_refused(connect({.version = k311, .id = "", .flags = flags}), bytes("20 02 00 02"));
  }
}

TEST_CASE("[MQTT-3.1.3-9 of 3.1.1] an identifier that is rejected: return code 2") {
  for (const std::string& id : {std::string("a/b"), std::string("a b"), std::string("+"),
                                std::string("#"), std::string("*"), std::string(129, 'x')}) {
    expect_refused(connect({.version = k311, .id = id}), bytes("20 02 00 02"));
  }
}

TEST_CASE(
    "[MQTT-3.1.3-10 of 3.1.1] [MQTT-3.1.3-11 of 3.1.1] will topic and user name are strings") {
  expect_refused(raw("06 00 3c 00 01 'p' 00 01 ff 00 01 'm'"), "");
  expect_refused(raw("06 00 3c 00 01 'p' 00 00 00 01 'm'"), "");
  expect_refused(raw("06 00 3c 00 01 'p' 00 01 '#' 00 01 'm'"), "");
  expect_refused(raw("82 00 3c 00 01 'p' 00 01 ff"), "");
}

TEST_CASE("[MQTT-3.1.4-1 of 3.1.1] what does not conform ends without a CONNACK") {
  for (const char* body :
       {"", "02", "02 00", "02 00 3c 00", "02 00 3c 00 05 'pc'", "02 00 3c 00 01 'p' 00"}) {
    expect_refused(raw(body), "");
  }
  expect_refused(bytes("10 00"), "");
  expect_refused(bytes("11 10") + raw("02 00 3c 00 04 'pc-1'").substr(2), "");
}

TEST_CASE("[MQTT-3.1.4-4 of 3.1.1] [MQTT-3.2.0-1 of 3.1.1] CONNACK 0, before anything else") {
  SessionState state;
  state.subscribed = true;
  state.qos = 1;
  state.in_flight.push_back({9, push(1)});
  Device device;
  device.send(connect(options(0)) + kPingreq);
  CHECK(device.output().empty());
  device.accept(state, true);
  CHECK(hex(device.output()) ==
        hex(bytes("20 02 01 00") + publish(0x0A, kInbox, 9, "{}", k311) + kPingresp));
}

TEST_CASE("[MQTT-3.1.4-5 of 3.1.1] nothing behind a rejected CONNECT is looked at") {
  Device device;
  device.send(connect(options()) + publish(0, kUp + "event", 0, "{}", k311));
  static_cast<void>(device.calls());
  device.refuse(ReasonCode::kNotAuthorized);
  device.send(kPingreq);
  CHECK(hex(device.output()) == "20 02 00 05");
  CHECK(device.calls() == Calls{"end refused: CONNECT: not authorized"});
}

TEST_CASE(
    "[MQTT-3.2.2-1 of 3.1.1] [MQTT-3.2.2-2 of 3.1.1] [MQTT-3.2.2-3 of 3.1.1] Session Present") {
  const auto answer = [](std::uint8_t flags, bool has) {
    Device device;
    device.send(connect(options(flags)));
    device.accept({}, has);
    return hex(device.output());
  };
  CHECK(answer(2, true) == "20 02 00 00");
  CHECK(answer(2, false) == "20 02 00 00");
  CHECK(answer(0, true) == "20 02 01 00");
  CHECK(answer(0, false) == "20 02 00 00");
}

TEST_CASE("[MQTT-3.2.2-4 of 3.1.1] [MQTT-3.2.2-5 of 3.1.1] [MQTT-3.2.2-6 of 3.1.1] return codes") {
  struct Case {
    ReasonCode code;
    const char* connack;
  };
  for (const Case& c : {Case{ReasonCode::kClientIdentifierNotValid, "20 02 00 02"},
                        Case{ReasonCode::kServerUnavailable, "20 02 00 03"},
                        Case{ReasonCode::kQuotaExceeded, "20 02 00 03"},
                        Case{ReasonCode::kBadUserNameOrPassword, "20 02 00 04"},
                        Case{ReasonCode::kNotAuthorized, "20 02 00 05"}}) {
    Device device;
    device.send(connect(options(0)));
    device.refuse(c.code);
    CHECK(hex(device.output()) == c.connack);
    CHECK(device.session().phase() == Session::Phase::kClosed);
  }
}

}  // namespace kscpush::mqtt

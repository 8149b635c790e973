#include "core/mqtt/codec.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Phase = Session::Phase;

namespace {

constexpr std::uint8_t kCleanStart = 0x02;
constexpr std::uint8_t kResume = 0x00;

// What a device that is refused gets and what the owner is told.
void expect_refused(std::string_view connect, std::string_view connack, std::string_view end) {
  Device device;
  device.send(connect);
  CHECK(hex(device.output()) == hex(connack));
  CHECK(device.calls() == Calls{std::string(end)});
  CHECK(device.session().phase() == Phase::kClosed);
}

// CONNECT with a will: flags, will properties (encoded, MQTT 5), topic, payload.
std::string connect_with_will(Version version, std::uint8_t flags, std::string_view topic,
                              std::string_view payload = "gone", std::string_view encoded = {}) {
  ConnectOptions options;
  options.version = version;
  options.flags = static_cast<std::uint8_t>(flags | 0x04 | kCleanStart);
  options.tail = (version == Version::kV5 ? properties(encoded) : "") + str(topic) + str(payload);
  return connect(options);
}

std::string refusal(ReasonCode code, std::string_view reason = {}) {
  std::string body(1, '\0');
  body.push_back(static_cast<char>(code));
  return packet(0x20, body + properties(reason.empty() ? "" : "\x1f" + str(reason)));
}

}  // namespace

TEST_CASE("CONNECT of 5: the owner decides, then the device gets what the profile announces") {
  Device device;
  device.send(connect());
  CHECK(device.session().phase() == Phase::kAwaitDecision);
  CHECK(device.calls() == Calls{"connect pc-1 v5 keep_alive=60 expiry=0"});
  CHECK(device.output().empty());
  device.accept();
  CHECK(device.session().phase() == Phase::kActive);
  CHECK(hex(device.output()) == hex(connack()));
  CHECK(device.calls().empty());
}

TEST_CASE("CONNECT of 3.1.1: a CONNACK without properties") {
  Device device;
  device.send(connect({.version = Version::kV311}));
  CHECK(device.calls() == Calls{"connect pc-1 v4 keep_alive=60 expiry=0"});
  device.accept();
  CHECK(hex(device.output()) == "20 02 00 00");
}

TEST_CASE("CONNECT: user name, password and agent are handed on") {
  Device device;
  device.send(connect({.flags = 0xC2,
                       .properties = bytes("26 00 0d 'kscpush-agent' 00 05 '0.1.0'"),
                       .tail = str("me") + str("secret")}));
  CHECK(device.calls() == Calls{"connect pc-1 v5 keep_alive=60 expiry=0 user=me password=secret "
                                "agent=0.1.0"});
}

TEST_CASE("packets behind CONNECT wait for the decision") {
  Device device;
  device.send(connect() + kPingreq + subscribe(7, {kInbox}));
  CHECK(device.output().empty());
  device.accept();
  CHECK(hex(device.output()) == hex(connack() + kPingresp + bytes("90 04 00 07 00 01")));
  CHECK(device.calls() == Calls{"connect pc-1 v5 keep_alive=60 expiry=0", "subscribed"});
}

TEST_CASE("[MQTT-3.1.4-6] nothing behind a refused CONNECT is looked at") {
  Device device;
  device.send(connect() + publish(0x30, kUp + "event", 0, "{}"));
  device.refuse(ReasonCode::kNotAuthorized);
  device.send(kPingreq);
  CHECK(hex(device.output()) == hex(refusal(ReasonCode::kNotAuthorized)));
  CHECK(device.calls() ==
        Calls{"connect pc-1 v5 keep_alive=60 expiry=0", "end refused: CONNECT: not authorized"});
}

TEST_CASE("a decision during on_connect() lets the same bytes go on") {
  struct Accepting final : SessionActions {
    std::string& output() override { return out; }
    void on_connect(const ConnectRequest&) override {
      session->accept({}, false, WallTime{}, *this);
    }
    void on_subscribed() override { subscribed = true; }
    void on_unsubscribed() override {}
    void on_message(UpTopic, std::string_view) override {}
    void on_acked(std::uint64_t, ReasonCode) override {}
    void on_dropped(std::uint64_t, DropReason) override {}
    void on_end(EndReason, std::string_view) override {}
    Session* session = nullptr;
    std::string out;
    bool subscribed = false;
  };
  const Limits limits;
  Session session(limits, MonoTime{});
  Accepting actions;
  actions.session = &session;
  const std::string input = connect() + subscribe(1, {kInbox});
  CHECK(session.receive(input, MonoTime{}, actions) == input.size());
  CHECK(actions.subscribed);
  CHECK(hex(actions.out) == hex(connack() + bytes("90 04 00 01 00 01")));
}

TEST_CASE("[MQTT-3.1.0-1] whoever does not begin with CONNECT gets no answer") {
  for (const std::string& first :
       {kPingreq, subscribe(1, {kInbox}), std::string("GET / HTTP/1.1\r\n"), bytes("16 03 01"),
        bytes("11"), bytes("e0 00"), bytes("00")}) {
    CAPTURE(hex(first));
    Device device;
    device.send(first);
    CHECK(device.output().empty());
    CHECK(device.calls() == Calls{"end protocol_error: does not begin with a CONNECT packet"});
  }
}

TEST_CASE("[MQTT-3.1.0-2] a second CONNECT is a protocol error") {
  Device device = active_device();
  device.send(connect());
  CHECK(hex(device.output()) ==
        hex(disconnect_packet(ReasonCode::kProtocolError, "CONNECT: a second one")));
  CHECK(device.calls() == Calls{"end protocol_error: CONNECT: a second one"});
  Device old = active_device(Version::kV311);
  old.send(connect({.version = Version::kV311}));
  CHECK(old.output().empty());
  CHECK(old.calls() == Calls{"end protocol_error: CONNECT: a second one"});
}

TEST_CASE("[MQTT-3.1.2-2] an unacceptable protocol level gets the CONNACK of its version") {
  const auto level = [](std::uint8_t value) {
    return packet(0x10, str("MQTT") + static_cast<char>(value) + bytes("02 00 3c 00 01 'p'"));
  };
  const std::string told = "end refused: CONNECT: unsupported protocol version";
  expect_refused(level(0), bytes("20 02 00 01"), told);
  expect_refused(level(3), bytes("20 02 00 01"), told);
  expect_refused(level(6), bytes("20 02 00 01"), told);
  const auto level5 = [](std::uint8_t value) {
    return packet(0x10, str("MQTT") + static_cast<char>(value) + bytes("02 00 3c 00 00 01 'p'"));
  };
  expect_refused(level5(3), bytes("20 03 00 84 00"), told);
  expect_refused(level5(6), bytes("20 03 00 84 00"), told);
  // MQTT 3.1
  expect_refused(packet(0x10, bytes("00 06 'MQIsdp' 03 02 00 3c 00 01 'p'")), bytes("20 02 00 01"),
                 told);
}

TEST_CASE("[MQTT-3.1.2-1] another protocol name gets no answer") {
  for (const char* name : {"mqtt", "MQTT2", "", "MQIsdp"}) {
    CAPTURE(name);
    expect_refused(packet(0x10, str(name) + bytes("04 02 00 3c 00 01 'p'")), "",
                   "end protocol_error: CONNECT: protocol name other than MQTT");
  }
}

TEST_CASE("[MQTT-3.1.4-1] a malformed CONNECT: 3.1.1 closes, 5 says why") {
  expect_refused(packet(0x10, bytes("00 04 'MQTT' 04 03 00 3c 00 01 'p'")), "",
                 "end malformed_packet: CONNECT: reserved connect flag set");
  expect_refused(packet(0x10, bytes("00 04 'MQTT' 05 03 00 3c 00 00 01 'p'")),
                 bytes("20 03 00 81 00"),
                 "end malformed_packet: CONNECT: reserved connect flag set");
  expect_refused(connect({.properties = bytes("21 00 00")}), bytes("20 03 00 82 00"),
                 "end protocol_error: CONNECT: Receive Maximum: value out of range");
  expect_refused(packet(0x10, bytes("00 04 'MQ'")), "",
                 "end malformed_packet: CONNECT: the packet ends within a field");
}

TEST_CASE("CONNECT above its own size limit is cut off when its version is known") {
  Device device(Limits{.connect_packet_bytes = 100});
  device.send(bytes("10 63"));
  CHECK(device.calls().empty());
  device.send(bytes("00 04 'MQTT' 04"));
  CHECK(device.output().empty());
  CHECK(device.calls() == Calls{"end packet_too_large: CONNECT: packet larger than allowed"});
  Device fits(Limits{.connect_packet_bytes = 100});
  fits.send(bytes("10 62"));
  CHECK(fits.calls().empty());
}

TEST_CASE("[MQTT-3.1.3-8] the client identifier must be a device id") {
  for (const std::string& id : {std::string(), std::string("a/b"), std::string("a b"),
                                std::string("#"), std::string(129, 'x'), std::string("\xC3\xA4")}) {
    CAPTURE(id);
    const std::string reason = "the client identifier must be the device id";
    expect_refused(connect({.id = id}), refusal(ReasonCode::kClientIdentifierNotValid, reason),
                   "end refused: CONNECT: " + reason);
    // [MQTT-3.1.3-9]
    expect_refused(connect({.version = Version::kV311, .id = id}), bytes("20 02 00 02"),
                   "end refused: CONNECT: " + reason);
  }
  Device device;
  device.send(connect({.id = std::string(128, 'x')}));
  CHECK(device.session().client_id() == std::string(128, 'x'));
  CHECK(device.session().phase() == Phase::kAwaitDecision);
}

TEST_CASE("[MQTT-4.12.0-1] extended authentication is refused") {
  expect_refused(
      connect({.properties = bytes("15 00 05 'PLAIN' 16 00 01 'x'")}),
      refusal(ReasonCode::kBadAuthenticationMethod, "extended authentication is not supported"),
      "end refused: CONNECT: extended authentication is not supported");
}

TEST_CASE("refusals of 3.1.1 are told by its five return codes") {
  struct Case {
    ReasonCode code;
    const char* connack;
  };
  for (const Case& c :
       {Case{ReasonCode::kNotAuthorized, "20 02 00 05"}, Case{ReasonCode::kBanned, "20 02 00 05"},
        Case{ReasonCode::kBadUserNameOrPassword, "20 02 00 04"},
        Case{ReasonCode::kServerBusy, "20 02 00 03"},
        Case{ReasonCode::kUseAnotherServer, "20 02 00 03"},
        Case{ReasonCode::kClientIdentifierNotValid, "20 02 00 02"}}) {
    Device device;
    device.send(connect({.version = Version::kV311}));
    device.refuse(c.code, "why", "other:13295");
    CHECK(hex(device.output()) == c.connack);
  }
}

TEST_CASE("a refusal carries reason and server reference") {
  Device device;
  device.send(connect());
  device.refuse(ReasonCode::kUseAnotherServer, "full", "dp-2:13295");
  CHECK(hex(device.output()) ==
        hex(packet(0x20,
                   bytes("00 9c") + properties(bytes("1c 00 0a 'dp-2:13295' 1f 00 04 'full'")))));
  CHECK(device.calls().back() == "end refused: CONNECT: full");
}

TEST_CASE("[MQTT-3.2.2-8] a refusal by a code that CONNACK does not have is an unspecified error") {
  for (const ReasonCode code :
       {ReasonCode::kSessionTakenOver, ReasonCode::kSuccess, ReasonCode::kNoSubscriptionExisted}) {
    Device device;
    device.send(connect());
    device.refuse(code);
    CHECK(hex(device.output()) == "20 03 00 80 00");
  }
}

TEST_CASE("[MQTT-3.2.2-19] strings that the device has no room for are left out of a refusal") {
  const auto refused = [](std::uint32_t room) {
    Device device;
    device.send(connect({.properties = "\x27" + u32(room)}));
    device.refuse(ReasonCode::kServerMoved, "gone", "dp-2");
    return hex(device.output());
  };
  CHECK(refused(19) == "20 11 00 9d 0e 1c 00 04 64 70 2d 32 1f 00 04 67 6f 6e 65");
  CHECK(refused(18) == "20 0a 00 9d 07 1c 00 04 64 70 2d 32");
  CHECK(refused(11) == "20 03 00 9d 00");
  CHECK(refused(5) == "20 03 00 9d 00");
  CHECK(refused(4).empty());
}

TEST_CASE("Request Problem Information 0: no reason strings") {
  Device device;
  device.send(connect({.properties = bytes("17 00")}));
  device.refuse(ReasonCode::kBanned, "certificate revoked");
  CHECK(hex(device.output()) == "20 03 00 8a 00");
}

TEST_CASE("a device whose Maximum Packet Size has no room for CONNACK cannot be served") {
  const std::size_t needed = connack().size();
  const auto answer = [](std::size_t room) {
    Device device;
    device.send(connect({.properties = "\x27" + u32(static_cast<std::uint32_t>(room))}));
    device.accept();
    return hex(device.output());
  };
  CHECK(answer(needed) == hex(connack()));
  CHECK(answer(needed - 1) == "20 03 00 95 00");
  CHECK(answer(1).empty());
}

TEST_CASE("[MQTT-3.1.2-22] keep alive: one and a half times, by any packet, to the millisecond") {
  Device device = active_device(Version::kV5, 1, {.keep_alive_s = 10});
  CHECK(device.session().keep_alive_deadline() == device.now() + 15s);
  device.pass(14999ms);
  device.tick();
  CHECK(device.calls().empty());
  device.send(kPingreq);
  CHECK(device.session().keep_alive_deadline() == device.now() + 15s);
  device.pass(14999ms);
  device.send(kPingreq.substr(0, 1));  // half a packet is no packet
  device.pass(1ms);
  static_cast<void>(device.output());
  device.tick();
  CHECK(device.calls() == Calls{"end keep_alive_expired"});
  CHECK(hex(device.output()) == hex(disconnect_packet(ReasonCode::kKeepAliveTimeout)));
  CHECK(device.session().keep_alive_deadline() == MonoTime::max());
}

TEST_CASE("keep alive of 3.1.1 ends without a word") {
  Device device = active_device(Version::kV311, 1, {.keep_alive_s = 10});
  device.pass(15s);
  device.tick();
  CHECK(device.output().empty());
  CHECK(device.calls() == Calls{"end keep_alive_expired"});
}

TEST_CASE("[MQTT-3.1.2-21] keep alive 0 or above the limit: the limit, which MQTT 5 is told") {
  for (const std::uint16_t asked : {std::uint16_t{0}, std::uint16_t{301}, std::uint16_t{65535}}) {
    const Limits limits{.keep_alive_max_s = 300};
    Device device(limits);
    device.send(connect({.keep_alive_s = asked}));
    device.accept();
    CHECK(hex(device.output()) == hex(connack(false, bytes("13 01 2c"))));
    CHECK(device.session().keep_alive_deadline() == device.now() + 450s);
    Device old(limits);
    old.send(connect({.version = Version::kV311, .keep_alive_s = asked}));
    old.accept();
    CHECK(old.session().keep_alive_deadline() == old.now() + 450s);
  }
  Device device(Limits{.keep_alive_max_s = 300});
  device.send(connect({.keep_alive_s = 300}));
  device.accept();
  CHECK(hex(device.output()) == hex(connack()));
}

TEST_CASE("session expiry: as asked for, cut to the limit, which MQTT 5 is told") {
  const Limits limits{.session_expiry_max_s = 1000};
  struct Case {
    std::uint32_t asked;
    std::uint32_t granted;
  };
  for (const Case& c :
       {Case{0, 0}, Case{999, 999}, Case{1000, 1000}, Case{1001, 1000}, Case{0xFFFFFFFF, 1000}}) {
    Device device(limits);
    device.send(connect({.properties = "\x11" + u32(c.asked)}));
    device.accept();
    CHECK(device.session().state().expiry_s == c.granted);
    const std::string told = c.asked == c.granted ? std::string() : "\x11" + u32(c.granted);
    CHECK(hex(device.output()) == hex(connack(false, told)));
  }
  // 3.1.1: Clean Session says it all.
  Device clean(limits);
  clean.send(connect({.version = Version::kV311, .flags = kCleanStart}));
  clean.accept();
  CHECK(clean.session().state().expiry_s == 0);
  Device lasting(limits);
  lasting.send(connect({.version = Version::kV311, .flags = kResume}));
  lasting.accept();
  CHECK(lasting.session().state().expiry_s == 1000);
}

TEST_CASE("[MQTT-3.2.2-2] [MQTT-3.2.2-3] Session Present") {
  const auto connect_to = [](std::uint8_t flags, bool present) {
    Device device;
    device.send(connect({.flags = flags}));
    SessionState state;
    state.subscribed = true;
    state.qos = 1;
    device.accept(state, present);
    return device;
  };
  Device resumed = connect_to(kResume, true);
  CHECK(hex(resumed.output()) == hex(connack(true)));
  CHECK(resumed.calls() == Calls{"connect pc-1 v5 resume keep_alive=60 expiry=0", "subscribed"});
  Device fresh = connect_to(kResume, false);
  CHECK(hex(fresh.output()) == hex(connack(false)));
  CHECK(fresh.calls() == Calls{"connect pc-1 v5 resume keep_alive=60 expiry=0"});
  CHECK_FALSE(fresh.session().state().subscribed);
  // [MQTT-3.1.2-4] Clean Start wins over whatever the owner has.
  Device clean = connect_to(kCleanStart, true);
  CHECK(hex(clean.output()) == hex(connack(false)));
  CHECK_FALSE(clean.session().state().subscribed);
}

TEST_CASE("will: accepted only below the device's own up/, at QoS 0 or 1, not retained") {
  for (const Version version : {Version::kV311, Version::kV5}) {
    for (const std::uint8_t flags : {std::uint8_t{0}, std::uint8_t{0x08}}) {
      Device device;
      device.send(connect_with_will(version, flags, kUp + "event"));
      CHECK(device.session().phase() == Phase::kAwaitDecision);
    }
  }
  struct Case {
    std::uint8_t flags;
    std::string topic;
    ReasonCode code;
    const char* reason;
  };
  const char* const topic_reason = "the will topic must be ksc/v1/devices/ID/up/...";
  for (const Case& c :
       {Case{0, "ksc/v1/devices/pc-2/up/event", ReasonCode::kTopicNameInvalid, topic_reason},
        Case{0, kInbox, ReasonCode::kTopicNameInvalid, topic_reason},
        Case{0x10, kUp + "event", ReasonCode::kQosNotSupported, "QoS 2 is not supported"},
        Case{0x20, kUp + "event", ReasonCode::kRetainNotSupported,
             "retained messages are not supported"}}) {
    CAPTURE(c.topic);
    const std::string told = std::string("end refused: CONNECT: ") + c.reason;
    expect_refused(connect_with_will(Version::kV5, c.flags, c.topic), refusal(c.code, c.reason),
                   told);
    expect_refused(connect_with_will(Version::kV311, c.flags, c.topic), bytes("20 02 00 05"), told);
  }
  expect_refused(connect_with_will(Version::kV5, 0, kUp + "event", "\xff", bytes("01 01")),
                 refusal(ReasonCode::kPayloadFormatInvalid, "the will payload is not UTF-8"),
                 "end refused: CONNECT: the will payload is not UTF-8");
}

TEST_CASE("[MQTT-3.14.0-1] before CONNACK there is no DISCONNECT") {
  Device device;
  device.send(connect_with_will(Version::kV5, 0, kUp + "event"));
  static_cast<void>(device.calls());
  device.disconnect(EndReason::kServerShutdown);
  CHECK(device.output().empty());
  CHECK(device.calls() == Calls{"end server_shutdown"});  // and no will
  Device silent;
  silent.lose_connection();
  CHECK(silent.calls() == Calls{"end connection_lost"});
  silent.lose_connection();
  CHECK(silent.calls().empty());
}

}  // namespace kscpush::mqtt

// What the MQTT tests share: bytes written readably, and a device that talks to a Session.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/mqtt/client_session.hpp"
#include "core/mqtt/session.hpp"

// So that a failed comparison of calls shows them.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += "\n    " + line;
    return text.empty() ? "(nothing)" : text.c_str();
  }
};

namespace kscpush::mqtt::testing {

using namespace std::chrono_literals;

// "10 0c 00 04" as bytes; what stands between quotes stands for itself: "'MQTT' 04".
[[nodiscard]] std::string bytes(std::string_view readable);
// The reverse, for messages: "20 02 00 00".
[[nodiscard]] std::string hex(std::string_view bytes);
// Length-prefixed.
[[nodiscard]] std::string str(std::string_view text);
[[nodiscard]] std::string u16(std::uint16_t value);
[[nodiscard]] std::string u32(std::uint32_t value);
// FIRST byte, remaining length, body.
[[nodiscard]] std::string packet(std::uint8_t first, std::string_view body);
// A property block: length (below 128), then the properties.
[[nodiscard]] std::string properties(std::string_view encoded);

struct ConnectOptions {
  Version version = Version::kV5;
  std::string id = "pc-1";
  std::uint8_t flags = 0x02;
  std::uint16_t keep_alive_s = 60;
  std::string properties = {};  // encoded, without their length
  std::string tail = {};        // what follows the client identifier: will, user name, password
};
[[nodiscard]] std::string connect(const ConnectOptions& options = {});
[[nodiscard]] std::string publish(std::uint8_t flags, std::string_view topic, std::uint16_t id,
                                  std::string_view payload, Version version = Version::kV5,
                                  std::string_view encoded_properties = {});
[[nodiscard]] std::string subscribe(std::uint16_t id, const std::vector<std::string>& filters,
                                    std::uint8_t options = 1, Version version = Version::kV5);
[[nodiscard]] std::string unsubscribe(std::uint16_t id, const std::vector<std::string>& filters,
                                      Version version = Version::kV5);
[[nodiscard]] inline std::string puback(std::uint16_t id) {
  return packet(0x40, u16(id));
}

inline const std::string kInbox = "ksc/v1/devices/pc-1/push";
inline const std::string kUp = "ksc/v1/devices/pc-1/up/";
inline const std::string kPingreq("\xC0\x00", 2);
inline const std::string kPingresp("\xD0\x00", 2);

// CONNACK of an accepted MQTT 5 device: everything that the profile announces. EXTRA comes before.
[[nodiscard]] std::string connack(bool session_present = false, std::string_view extra = {});

// Writes down the calls, one line each, and collects the output.
class Recorder final : public SessionActions {
 public:
  std::string& output() override { return output_; }
  void on_connect(const ConnectRequest& request) override;
  void on_subscribed() override { log("subscribed"); }
  void on_unsubscribed() override { log("unsubscribed"); }
  void on_message(UpTopic topic, std::string_view payload) override;
  void on_acked(std::uint64_t token, ReasonCode code) override;
  void on_dropped(std::uint64_t token, DropReason reason) override;
  void on_end(EndReason reason, std::string_view detail) override;

  std::string output_;
  std::vector<std::string> calls_;

 private:
  void log(std::string line);
  bool ended_ = false;
};

// The same for the client's calls.
class ClientRecorder final : public ClientActions {
 public:
  std::string& output() override { return output_; }
  void on_ready(bool session_present) override;
  void on_push(const IncomingPush& push) override;
  void on_published(std::uint64_t token, ReasonCode code) override;
  void on_end(const ClientEnded& ended) override;

  std::string output_;
  std::string output_at_push_;  // what had been sent when a push was handed over
  std::vector<std::string> calls_;
};

// Of the client "pc-1" with keep alive 100 s and an answer timeout of 10 s.
[[nodiscard]] ClientOptions client_options();

// A device on a connection. Everything it does it does to two sessions: the one gets its bytes as
// they are sent, the other byte by byte; they must do the same.
class Device {
 public:
  explicit Device(const Limits& limits = {}, MonoTime now = MonoTime(1h));

  void send(std::string_view bytes);
  void accept(SessionState state = {}, bool session_present = false);
  void refuse(ReasonCode code, std::string_view reason = {}, std::string_view reference = {});
  Session::Delivery deliver(const Outgoing& push);
  void disconnect(EndReason reason, std::string_view reference = {});
  void lose_connection();
  void pass(std::chrono::milliseconds time);  // both clocks, without a tick
  void tick();

  // What has come since the last call.
  [[nodiscard]] std::string output();
  [[nodiscard]] std::vector<std::string> calls();
  [[nodiscard]] Session& session() { return *whole_.session; }
  [[nodiscard]] SessionState take_state();
  [[nodiscard]] WallTime wall() const { return wall_; }
  [[nodiscard]] MonoTime now() const { return now_; }

 private:
  struct Side {
    std::unique_ptr<Session> session;
    Recorder recorder;
    std::string unread;
  };
  template <class Do>
  void both(Do&& action);
  void receive(Side& side, std::string_view bytes);
  void compare();

  std::unique_ptr<const Limits> limits_;  // the sessions point to it, and a Device can move
  MonoTime now_;
  WallTime wall_{std::chrono::milliseconds(1'700'000'000'000)};
  Side whole_;
  Side bytewise_;
};

using Calls = std::vector<std::string>;

// A device that is accepted, subscribed at QOS, with nothing left to read.
[[nodiscard]] Device active_device(Version version = Version::kV5, std::uint8_t qos = 1,
                                   ConnectOptions options = {}, const Limits& limits = {});

// A device that comes back to the session in STATE. EXTRA are properties of its CONNECT.
[[nodiscard]] Device resumed_device(const SessionState& state, Version version = Version::kV5,
                                    std::string extra = {});

[[nodiscard]] Outgoing push(std::uint64_t token, std::string_view payload = "{}",
                            WallTime expires = {}, std::optional<Ulid> id = {});
inline constexpr std::string_view kPushId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

// DISCONNECT of the server without properties but REASON.
[[nodiscard]] std::string disconnect_packet(ReasonCode code, std::string_view reason = {});

}  // namespace kscpush::mqtt::testing

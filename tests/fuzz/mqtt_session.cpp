// A server session under any bytes, chunks and commands, over several connections of one device.
//
// Checked: no call after on_end(); no more taken than given; output bounded by the input; output
// that a client can decode, beginning with CONNACK and ending with DISCONNECT; pushes in flight are
// those sent and neither acknowledged nor dropped, within the window; and a second session, which
// gets the same bytes one by one, does the same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "core/mqtt/codec.hpp"
#include "core/mqtt/session.hpp"

namespace {

using namespace kscpush;
using namespace kscpush::mqtt;

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

// The fuzzer's input, read as numbers and bytes; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint16_t word() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  std::string bytes(std::size_t count) {
    std::string out;
    while (count-- > 0 && size_ > 0) out.push_back(static_cast<char>(byte()));
    return out;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

const Ulid kId = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
constexpr Limits kLimits{.packet_bytes = 4096, .connect_packet_bytes = 1024, .in_flight = 4};

// One side: a session and what is known of it from outside.
struct Side final : SessionActions {
  std::string& output() override { return out; }
  void on_connect(const ConnectRequest& request) override {
    call("connect " + std::string(request.client_id));
  }
  void on_subscribed() override { call("subscribed"); }
  void on_unsubscribed() override { call("unsubscribed"); }
  void on_message(UpTopic topic, std::string_view payload) override {
    call("message " + std::string(to_string(topic)) + std::string(payload));
  }
  void on_acked(std::uint64_t token, ReasonCode code) override {
    forget(token);
    call("acked " + std::to_string(token) + std::string(to_string(code)));
  }
  void on_dropped(std::uint64_t token, DropReason) override {
    forget(token);
    call("dropped " + std::to_string(token));
  }
  void on_end(EndReason reason, std::string_view detail) override {
    call("end " + std::string(to_string(reason)) + std::string(detail));
    ended = true;
  }
  void call(std::string line) {
    require(!ended);
    calls += std::move(line) + "\n";
  }
  void forget(std::uint64_t token) {
    for (auto it = expected.begin(); it != expected.end(); ++it) {
      if (*it != token) continue;
      expected.erase(it);
      return;
    }
    require(false);
  }
  void receive(std::string_view bytes, MonoTime now) {
    unread.append(bytes);
    const std::size_t taken = session->receive(unread, now, *this);
    require(taken <= unread.size());
    unread.erase(0, taken);
  }

  std::unique_ptr<Session> session;
  std::string out;
  std::string calls;
  std::string unread;
  bool ended = false;
  std::deque<std::uint64_t> expected;  // tokens in flight, in order
  SessionState kept;
  bool has_kept = false;
};

class Run {
 public:
  explicit Run(Input input) : input_(input) { reconnect(); }

  void all() {
    while (!input_.empty()) {
      step();
      check();
    }
  }

 private:
  void step() {
    switch (input_.byte() % 20) {
      case 0:
        return send(input_.bytes(input_.byte()));
      case 1:
        return send(connect(Version::kV5));
      case 2:
        return send(connect(Version::kV311));
      case 3:
        return send(subscribe(PacketType::kSubscribe));
      case 4:
        return send(subscribe(PacketType::kUnsubscribe));
      case 5:
        return send(publish());
      case 6:
        return send(puback());
      case 7:
        return send(std::string("\xC0\x00", 2));
      case 8:
        return send(std::string("\xE0\x00", 2));
      case 9:
      case 10:
        return accept();
      case 11:
        return refuse();
      case 12:
      case 13:
      case 14:
        return deliver();
      case 15:
        return disconnect();
      case 16:
        now_ += std::chrono::seconds(input_.word());
        return both([&](Side& side) { side.session->tick(now_, side); });
      case 17:
        return both([&](Side& side) { side.session->connection_lost(side); });
      case 18:
        return reconnect();
      default:
        now_ += std::chrono::milliseconds(input_.byte());
        return;
    }
  }

  template <class Do>
  void both(Do&& action) {
    action(whole_);
    action(bytewise_);
  }

  void send(const std::string& bytes) {
    const std::size_t before = whole_.out.size();
    whole_.receive(bytes, now_);
    for (const char& c : bytes) bytewise_.receive({&c, 1}, now_);
    bytewise_.receive({}, now_);  // in case there are none
    // A packet of a few bytes is answered by at most a PUBACK with a reason; an acknowledgement may
    // let a window of pushes go.
    require(whole_.out.size() - before <= 4096 + (bytes.size() + 1) * 64 + std::size_t{4} * 2048);
  }

  std::string connect(Version version) {
    const std::uint8_t options = input_.byte();
    const std::string id = (options & 0x40) != 0 ? input_.bytes(2) : "pc-1";
    Connect packet;
    packet.version = version;
    packet.clean_start = (options & 1) != 0;
    packet.keep_alive_s = input_.byte();
    packet.client_id = id;
    if ((options & 2) != 0) packet.properties.set(Property::kSessionExpiry, input_.word());
    if ((options & 4) != 0)
      packet.properties.set(Property::kReceiveMaximum, input_.byte() % 5 + 1U);
    if ((options & 8) != 0) packet.properties.set(Property::kMaximumPacketSize, input_.word() + 1U);
    if ((options & 16) != 0) packet.properties.set(Property::kRequestProblemInformation, 0);
    if ((options & 32) != 0) {
      packet.will.emplace();
      packet.will->topic = "ksc/v1/devices/pc-1/up/event";
      packet.will->payload = "gone";
      packet.will->properties.set(Property::kWillDelay, input_.byte() % 3);
    }
    std::string out;
    require(encode(packet, out));
    return out;
  }

  std::string subscribe(PacketType type) {
    const std::uint8_t options = input_.byte();
    std::string filters;
    append_filter(filters, type,
                  {"ksc/v1/devices/pc-1/push", static_cast<std::uint8_t>(options % 3)});
    const std::string other = input_.bytes(options >> 4);
    if ((options & 8) != 0) append_filter(filters, type, {other, 1});
    Subscribe packet;
    packet.type = type;
    packet.packet_id = 1;
    packet.filters = filters;
    std::string out;
    require(encode(packet, whole_.session->version(), out));
    return out;
  }

  std::string publish() {
    const std::uint8_t options = input_.byte();
    const std::string payload = input_.bytes(options >> 4);
    Publish packet;
    packet.qos = options % 3;
    packet.retain = (options & 7) == 7;
    packet.topic = (options & 8) != 0 ? "elsewhere" : "ksc/v1/devices/pc-1/up/state";
    packet.packet_id = 9;
    packet.properties.set(Property::kPayloadFormat, 1);
    packet.payload = payload;
    std::string out;
    require(encode(packet, whole_.session->version(), out));
    return out;
  }

  std::string puback() {
    const auto& in_flight = whole_.session->state().in_flight;
    const std::uint8_t which = input_.byte();
    Ack packet;
    packet.packet_id = static_cast<std::uint16_t>(which + 1);
    if (!in_flight.empty()) packet.packet_id = in_flight[which % in_flight.size()].packet_id;
    std::string out;
    require(encode(packet, whole_.session->version(), out));
    return out;
  }

  void accept() {
    if (whole_.session->phase() != Session::Phase::kAwaitDecision) return;
    const bool present = input_.byte() % 4 != 0;
    both([&](Side& side) {
      // Clean Start or no session: what was in flight is forgotten, by contract without a call.
      const auto before = side.kept.in_flight.size();
      std::deque<std::uint64_t> expected;
      for (const auto& entry : side.kept.in_flight) expected.push_back(entry.push.token);
      side.expected = expected;
      side.session->accept(std::move(side.kept), present && side.has_kept, wall(), side);
      if (side.session->state().in_flight.empty() && before > 0) side.expected.clear();
      side.kept = SessionState{};
      side.has_kept = false;
      side.receive({}, now_);
    });
  }

  void refuse() {
    const auto code = static_cast<ReasonCode>(input_.byte());
    const std::string reference(input_.byte() % 8, 'r');
    both([&](Side& side) { side.session->refuse(code, "why", reference, side); });
  }

  void deliver() {
    const std::uint16_t bits = input_.word();
    Outgoing push{++token_, std::string(bits % 1500, 'x'), {}, kId};
    if ((bits & 0x8000) != 0) push.expires = wall() + std::chrono::seconds(input_.byte());
    both([&](Side& side) {
      const auto delivery = side.session->deliver(push, wall(), side);
      const bool kept = delivery == Session::Delivery::kSent && side.session->state().qos == 1;
      if (kept) side.expected.push_back(token_);
    });
  }

  void disconnect() {
    const auto reason = static_cast<EndReason>(input_.byte() % 12);
    const std::string reference(input_.byte() % 8, 'r');
    both([&](Side& side) { side.session->disconnect(reason, reference, side); });
  }

  // The connection, if there is one, is lost, and a new one is up.
  void reconnect() {
    both([&](Side& side) {
      if (side.session != nullptr) {
        side.session->connection_lost(side);
        check_output(side);
        // A connection that was never accepted leaves the device's state where it was.
        if (accepted(side)) {
          side.kept = side.session->take_state();
          side.has_kept = true;
        }
      }
      side.session = std::make_unique<Session>(kLimits, now_);
      side.out.clear();
      side.calls.clear();
      side.unread.clear();
      side.expected.clear();
      side.ended = false;
    });
  }

  static bool accepted(const Side& side) {
    return side.out.size() > 3 && side.out[0] == '\x20' && side.out[3] == 0;
  }

  // A client can read it all; CONNACK is first and only there, nothing follows a DISCONNECT.
  static void check_output(const Side& side) {
    std::string_view rest = side.out;
    const Version version = side.session->version();
    bool first = true;
    while (!rest.empty()) {
      const auto frame = next_frame(rest, kMaxPacketBytes);
      require(frame && *frame);
      require(((*frame)->type == PacketType::kConnack) == first);
      first = false;
      rest.remove_prefix((*frame)->size);
      require(decodes(**frame, version));
      const bool last = (*frame)->type == PacketType::kDisconnect;
      require(!last || rest.empty());
    }
  }

  static bool decodes(const Frame& frame, Version version) {
    switch (frame.type) {
      case PacketType::kConnack:
        return decode_connack(frame, version).has_value();
      case PacketType::kPublish:
        return decode_publish(frame, version, Sender::kServer).has_value();
      case PacketType::kPuback:
        return decode_ack(frame, version).has_value();
      case PacketType::kSuback:
      case PacketType::kUnsuback:
        return decode_suback(frame, version).has_value();
      case PacketType::kPingresp:
        return decode_ping(frame).has_value();
      case PacketType::kDisconnect:
        return decode_disconnect(frame, version, Sender::kServer).has_value();
      default:
        return false;
    }
  }

  void check() {
    require(whole_.calls == bytewise_.calls);
    require(whole_.out == bytewise_.out);
    require(whole_.unread == bytewise_.unread);
    require(whole_.session->phase() == bytewise_.session->phase());
    const bool closed = whole_.session->phase() == Session::Phase::kClosed;
    require(closed == whole_.ended);
    const auto& in_flight = whole_.session->state().in_flight;
    require(in_flight.size() <= kLimits.in_flight);
    require(in_flight.size() == whole_.expected.size());
    for (std::size_t i = 0; i < in_flight.size(); ++i) {
      require(in_flight[i].push.token == whole_.expected[i]);
      require(in_flight[i].packet_id != 0);
      for (std::size_t k = 0; k < i; ++k) require(in_flight[k].packet_id != in_flight[i].packet_id);
    }
  }

  [[nodiscard]] WallTime wall() const {
    return WallTime(std::chrono::hours(480'000)) +
           std::chrono::floor<std::chrono::milliseconds>(now_.time_since_epoch());
  }

  Input input_;
  Side whole_;
  Side bytewise_;
  MonoTime now_{std::chrono::hours(1)};
  std::uint64_t token_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Run(Input(data, size)).all();
  return 0;
}

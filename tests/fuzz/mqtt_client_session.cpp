// A client session under any bytes, chunks and commands, over several connections.
//
// Checked: no call after on_end() but with the next start(); no more taken than given; the queue
// stays bounded and every message that was queued ends at most once; output that a server can
// decode, beginning with CONNECT.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "core/mqtt/client_session.hpp"
#include "core/mqtt/codec.hpp"

namespace {

using namespace kscpush;
using namespace kscpush::mqtt;

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

constexpr std::size_t kQueue = 6;

ClientOptions options() {
  ClientOptions out;
  out.device = "pc-1";
  out.agent = "0.1";
  out.keep_alive_s = 60;
  out.window = 3;
  out.queue_messages = kQueue;
  out.queue_bytes = 4096;
  out.packet_bytes = 4096;
  return out;
}

class Run final : ClientActions {
 public:
  Run(const std::uint8_t* data, std::size_t size) : data_(data), size_(size), session_(options()) {}

  void all() {
    while (size_ > 0) {
      step();
      require(session_.pending() <= kQueue);
      require(session_.pending() == queued_.size());
      require((session_.phase() == ClientSession::Phase::kIdle) == !up_);
      check_output();
    }
  }

 private:
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string bytes(std::size_t count) {
    std::string out;
    while (count-- > 0 && size_ > 0) out.push_back(static_cast<char>(byte()));
    return out;
  }

  void step() {
    switch (byte() % 12) {
      case 0:
        if (!up_) out_.clear();
        if (!up_) unread_.clear();
        up_ = true;
        return session_.start(now_, *this);
      case 1:
        return get(bytes(byte()));
      case 2:
        return get(packet("\x20", std::string("\0\0\0", 3)));
      case 3:
        return get(packet("\x20", std::string("\1\0\0", 3)));
      case 4:
        return get(packet("\x20", std::string("\0\0\3\x21\0\2", 6)));
      case 5:
        return get(packet("\x90", word() + std::string("\0\1", 2)));
      case 6:
        return get(packet("\x40", word()));
      case 7:
        return get(push());
      case 8:
        return publish();
      case 9:
        return session_.disconnect(ReasonCode::kSuccess, *this);
      case 10:
        return session_.connection_lost(*this);
      default:
        now_ += std::chrono::seconds(byte());
        return session_.tick(now_, *this);
    }
  }

  std::string word() { return {'\0', static_cast<char>(byte())}; }

  static std::string packet(const std::string& first, const std::string& body) {
    return first + static_cast<char>(body.size()) + body;
  }

  std::string push() {
    Publish packet;
    packet.qos = byte() % 3;
    packet.packet_id = static_cast<std::uint16_t>(byte() + 1);
    packet.topic = "ksc/v1/devices/pc-1/push";
    std::string out;
    require(encode(packet, Version::kV5, out));
    return out;
  }

  void get(const std::string& bytes) {
    unread_ += bytes;
    const std::size_t taken = session_.receive(unread_, now_, *this);
    require(taken <= unread_.size());
    unread_.erase(0, taken);
  }

  void publish() {
    const std::uint8_t bits = byte();
    const std::uint64_t token = ++token_;
    const auto qos = static_cast<std::uint8_t>(bits & 1);
    // Before the call, as on_published() may come during it.
    if (qos == 1) queued_.insert(token);
    const auto result = session_.publish(UpTopic::kState, std::string(std::size_t{bits} * 8, 'x'),
                                         qos, token, now_, *this);
    if (result != ClientSession::Publishing::kSent &&
        result != ClientSession::Publishing::kQueued) {
      queued_.erase(token);
    }
  }

  void check_output() const {
    std::string_view rest = out_;
    bool first = true;
    while (!rest.empty()) {
      const auto frame = next_frame(rest, kMaxPacketBytes);
      require(frame && *frame);
      require(((*frame)->type == PacketType::kConnect) == first);
      first = false;
      rest.remove_prefix((*frame)->size);
      require(decodes(**frame));
      require((*frame)->type != PacketType::kDisconnect || rest.empty());
    }
  }

  static bool decodes(const Frame& frame) {
    switch (frame.type) {
      case PacketType::kConnect:
        return decode_connect(frame).has_value();
      case PacketType::kPublish:
        return decode_publish(frame, Version::kV5, Sender::kClient).has_value();
      case PacketType::kPuback:
        return decode_ack(frame, Version::kV5).has_value();
      case PacketType::kSubscribe:
        return decode_subscribe(frame, Version::kV5).has_value();
      case PacketType::kPingreq:
        return decode_ping(frame).has_value();
      case PacketType::kDisconnect:
        return decode_disconnect(frame, Version::kV5, Sender::kClient).has_value();
      default:
        return false;
    }
  }

  std::string& output() override { return out_; }
  void on_ready(bool) override { require(up_); }
  void on_push(const IncomingPush&) override { require(up_); }
  void on_published(std::uint64_t token, ReasonCode) override {
    require(up_ && queued_.erase(token) == 1);
  }
  void on_end(const ClientEnded&) override {
    require(up_);
    up_ = false;
  }

  const std::uint8_t* data_;
  std::size_t size_;
  ClientSession session_;
  std::string out_;
  std::string unread_;
  std::set<std::uint64_t> queued_;
  std::uint64_t token_ = 0;
  MonoTime now_{std::chrono::hours(1)};
  bool up_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Run(data, size).all();
  return 0;
}

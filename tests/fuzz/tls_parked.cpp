// A parked TLS connection against a client that does anything: records that it sealed, of any inner
// type and padding, KeyUpdates, and bytes that are none. What was sent as data in good order must
// be heard, and the client must be able to open whatever the server says, as long as it is open.
#include "server/net/tls_parked.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace kscpush::server;

constexpr char kDataType = 23;
constexpr char kHandshakeType = 22;

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

std::span<std::uint8_t> writable(std::string& text) {
  return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
}

// Takes numbers and pieces off the input.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t number() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string piece() {
    const std::size_t size = std::min<std::size_t>(number(), rest_.size());
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }

 private:
  std::string_view rest_;
};

class Run {
 public:
  explicit Run(Input input) : input_(input) {
    const std::uint8_t choice = input_.number();
    TlsTraffic traffic;
    traffic.suite = *tls_suite(static_cast<std::uint16_t>(0x1301 + choice % 3));
    const std::string secret(choice % 3 == 1 ? 48 : 32, static_cast<char>(choice));
    traffic.client =
        TlsSecret(Bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
    traffic.server = traffic.client;
    traffic.most_plain = (choice & 0x80) != 0 ? 64 : kMostTlsPlain;
    require(server_.begin(traffic));
    require(sending_.set(traffic.suite, traffic.client, 0));
    require(receiving_.set(traffic.suite, traffic.server, 0));
  }

  void go() {
    while (!input_.empty()) {
      switch (input_.number() % 6) {
        case 0:
          good_data();
          break;
        case 1:
          add(sealed(input_.piece() + std::string(input_.number(), '\0')));
          wild_ = true;
          break;
        case 2:
          add(input_.piece());
          wild_ = true;
          break;
        case 3:
          key_update();
          break;
        case 4:
          say();
          break;
        case 5:
          hear(input_.number());
          break;
      }
    }
    hear(unheard_.size());
  }

 private:
  std::string sealed(std::string_view inner) {
    std::string record(kTlsHeader, '\0');
    record.append(inner).append(kTlsTag, '\0');
    require(sending_.seal(writable(record)));
    return record;
  }
  void add(std::string_view bytes) { unheard_ += bytes; }

  void good_data() {
    const std::string text = input_.piece();
    if (!wild_) expected_ += text;
    add(sealed(text + kDataType + std::string(input_.number(), '\0')));
    if (text.empty()) ++idle_;
    if (!text.empty()) idle_ = 0;
    if (idle_ > ParkedTls::kMostIdleRecords) wild_ = true;
  }

  void key_update() {
    const bool ask = input_.number() % 2 == 1;
    std::string message("\x18\0\0\1", 4);
    message += static_cast<char>(ask ? 1 : 0);
    add(sealed(message + kHandshakeType));
    require(sending_.update());
    if (++idle_ > ParkedTls::kMostIdleRecords) wild_ = true;
  }

  void say() {
    const std::string text = input_.piece();
    std::string out;
    const std::size_t taken = server_.seal(text, out);
    require(taken <= text.size() && taken <= kMostTlsPlain);
    understand(out);
  }

  // A part of what the client has sent so far reaches the server.
  void hear(std::size_t size) {
    size = std::min(size, unheard_.size());
    held_ += unheard_.substr(0, size);
    unheard_.erase(0, size);
    // A copy of its own, so that reading past its end is seen.
    std::string bytes = held_;
    bytes.shrink_to_fit();
    std::string control;
    const auto got = server_.receive(bytes, control);
    require(got.consumed <= bytes.size());
    require(got.plain <= got.consumed);
    require(control.size() <= 2 * (kTlsOverhead + 5));
    heard_.append(bytes, 0, got.plain);
    held_.erase(0, got.consumed);
    understand(control);
    const bool open = server_.state() == ParkedTls::State::kOpen;
    if (!open)
      require(server_.state() == ParkedTls::State::kPeerClosed || !server_.reason().empty());
    // All good records so far: nothing may end it, and nothing but the last record may wait.
    if (!wild_) require(open);
    if (!wild_ && unheard_.empty()) require(heard_ == expected_ && held_.empty());
  }

  void understand(std::string out) {
    while (!out.empty()) {
      const std::size_t length = static_cast<std::size_t>(static_cast<std::uint8_t>(out[3])) << 8U |
                                 static_cast<std::uint8_t>(out[4]);
      require(out.size() >= kTlsHeader + length);
      std::string record = out.substr(0, kTlsHeader + length);
      out.erase(0, record.size());
      require(receiving_.open(writable(record)));
      const char type = record[record.size() - kTlsTag - 1];
      if (type == kHandshakeType) require(receiving_.update());
    }
  }

  Input input_;
  ParkedTls server_;
  TlsKeys sending_;
  TlsKeys receiving_;
  std::string unheard_;
  std::string held_;
  std::string heard_;
  std::string expected_;
  bool wild_ = false;  // something was sent that may end it
  int idle_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Run(Input(data, size)).go();
  return 0;
}

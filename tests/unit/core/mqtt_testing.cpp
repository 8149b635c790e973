#include "tests/unit/core/mqtt_testing.hpp"

#include <charconv>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace kscpush::mqtt::testing {

std::string bytes(std::string_view readable) {
  // Throws rather than requires: constants are made of it before doctest runs.
  const auto wrong = [&] { throw std::invalid_argument("not bytes: " + std::string(readable)); };
  std::string out;
  for (std::size_t i = 0; i < readable.size();) {
    if (readable[i] == ' ') {
      ++i;
    } else if (readable[i] == '\'') {
      const std::size_t end = readable.find('\'', i + 1);
      if (end == std::string_view::npos) wrong();
      out.append(readable.substr(i + 1, end - i - 1));
      i = end + 1;
    } else {
      unsigned value = 0;
      const char* const digits = readable.data() + i;
      if (i + 2 > readable.size() ||
          std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
        wrong();
      }
      out.push_back(static_cast<char>(value));
      i += 2;
    }
  }
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<unsigned char>(c));
  }
  return out;
}

std::string u16(std::uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}

std::string u32(std::uint32_t value) {
  return u16(static_cast<std::uint16_t>(value >> 16)) +
         u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

std::string str(std::string_view text) {
  return u16(static_cast<std::uint16_t>(text.size())).append(text);
}

std::string packet(std::uint8_t first, std::string_view body) {
  std::string out(1, static_cast<char>(first));
  std::size_t length = body.size();
  do {
    const std::size_t more = length > 0x7F ? 0x80 : 0;
    out.push_back(static_cast<char>((length & 0x7F) | more));
    length >>= 7;
  } while (length > 0);
  return out.append(body);
}

std::string properties(std::string_view encoded) {
  if (encoded.size() > 127) throw std::invalid_argument("properties of more than 127 bytes");
  return std::string(1, static_cast<char>(encoded.size())).append(encoded);
}

std::string connect(const ConnectOptions& options) {
  std::string body = str("MQTT");
  body.push_back(static_cast<char>(options.version));
  body.push_back(static_cast<char>(options.flags));
  body += u16(options.keep_alive_s);
  if (options.version == Version::kV5) body += properties(options.properties);
  body += str(options.id) + options.tail;
  return packet(0x10, body);
}

std::string publish(std::uint8_t flags, std::string_view topic, std::uint16_t id,
                    std::string_view payload, Version version,
                    std::string_view encoded_properties) {
  std::string body = str(topic);
  if ((flags & 6) != 0) body += u16(id);
  if (version == Version::kV5) body += properties(encoded_properties);
  return packet(static_cast<std::uint8_t>(0x30 | flags), body.append(payload));
}

std::string subscribe(std::uint16_t id, const std::vector<std::string>& filters,
                      std::uint8_t options, Version version) {
  std::string body = u16(id);
  if (version == Version::kV5) body += properties("");
  for (const std::string& filter : filters) {
    body += str(filter);
    body.push_back(static_cast<char>(options));
  }
  return packet(0x82, body);
}

std::string unsubscribe(std::uint16_t id, const std::vector<std::string>& filters,
                        Version version) {
  std::string body = u16(id);
  if (version == Version::kV5) body += properties("");
  for (const std::string& filter : filters) body += str(filter);
  return packet(0xA2, body);
}

std::string connack(bool session_present, std::string_view extra) {
  std::string announced(extra);
  announced += bytes("21 00 10  22 00 04  24 01  25 00  27 00 01 40 00  28 00  29 00  2a 00");
  std::string body(1, session_present ? '\x01' : '\x00');
  return packet(0x20, body + std::string(1, '\0') + properties(announced));
}

std::string disconnect_packet(ReasonCode code, std::string_view reason) {
  std::string body(1, static_cast<char>(code));
  if (!reason.empty()) body += properties("\x1f" + str(reason));
  return packet(0xE0, body);
}

void Recorder::log(std::string line) {
  CHECK_MESSAGE(!ended_, "call after on_end: ", line);
  calls_.push_back(std::move(line));
}

void Recorder::on_connect(const ConnectRequest& request) {
  std::string line =
      fmt::format("connect {} v{}", request.client_id, static_cast<int>(request.version));
  if (!request.clean_start) line += " resume";
  line += fmt::format(" keep_alive={} expiry={}", request.keep_alive_s, request.session_expiry_s);
  if (request.has_username) line += fmt::format(" user={}", request.username);
  if (request.has_password) line += fmt::format(" password={}", request.password);
  if (!request.agent.empty()) line += fmt::format(" agent={}", request.agent);
  log(std::move(line));
}

void Recorder::on_message(UpTopic topic, std::string_view payload) {
  log(fmt::format("message {} {}", to_string(topic), payload));
}

void Recorder::on_acked(std::uint64_t token, ReasonCode code) {
  log(fmt::format("acked {} {}", token, to_string(code)));
}

void Recorder::on_dropped(std::uint64_t token, DropReason reason) {
  log(fmt::format("dropped {} {}", token,
                  reason == DropReason::kExpired ? "expired" : "too large"));
}

void Recorder::on_end(EndReason reason, std::string_view detail) {
  log(fmt::format("end {}{}{}", to_string(reason), detail.empty() ? "" : ": ", detail));
  ended_ = true;
}

void ClientRecorder::on_ready(bool session_present) {
  calls_.emplace_back(session_present ? "ready resumed" : "ready");
}

void ClientRecorder::on_push(const IncomingPush& push) {
  calls_.push_back(fmt::format("push {}{}{}{}", push.payload, push.correlation.empty() ? "" : " ",
                               push.correlation, push.dup ? " dup" : ""));
  output_at_push_ = output_;
}

void ClientRecorder::on_published(std::uint64_t token, ReasonCode code) {
  calls_.push_back(fmt::format("published {} {}", token, to_string(code)));
}

void ClientRecorder::on_end(const ClientEnded& ended) {
  std::string line =
      fmt::format("end {} {:#04x}", to_string(ended.end), static_cast<unsigned>(ended.code));
  if (!ended.detail.empty()) line += fmt::format(" '{}'", ended.detail);
  if (!ended.server_reference.empty()) line += fmt::format(" -> {}", ended.server_reference);
  calls_.push_back(line);
}

ClientOptions client_options() {
  ClientOptions out;
  out.device = "pc-1";
  out.agent = "0.1.0";
  out.keep_alive_s = 100;
  out.answer_timeout = 10s;
  return out;
}

Device::Device(const Limits& limits, MonoTime now)
    : limits_(std::make_unique<const Limits>(limits)), now_(now) {
  whole_.session = std::make_unique<Session>(*limits_, now);
  bytewise_.session = std::make_unique<Session>(*limits_, now);
}

void Device::receive(Side& side, std::string_view bytes) {
  side.unread.append(bytes);
  const std::size_t taken = side.session->receive(side.unread, now_, side.recorder);
  REQUIRE(taken <= side.unread.size());
  side.unread.erase(0, taken);
}

template <class Do>
void Device::both(Do&& action) {
  action(whole_);
  action(bytewise_);
  compare();
}

void Device::compare() {
  CHECK(bytewise_.recorder.calls_ == whole_.recorder.calls_);
  CHECK(hex(bytewise_.recorder.output_) == hex(whole_.recorder.output_));
  CHECK(bytewise_.session->phase() == whole_.session->phase());
  CHECK(hex(bytewise_.unread) == hex(whole_.unread));
}

void Device::send(std::string_view bytes) {
  receive(whole_, bytes);
  for (const char& c : bytes) receive(bytewise_, {&c, 1});
  compare();
}

void Device::accept(SessionState state, bool session_present) {
  both([&](Side& side) {
    side.session->accept(state, session_present, wall_, side.recorder);
    receive(side, {});
  });
}

void Device::refuse(ReasonCode code, std::string_view reason, std::string_view reference) {
  both([&](Side& side) { side.session->refuse(code, reason, reference, side.recorder); });
}

Session::Delivery Device::deliver(const Outgoing& push) {
  Session::Delivery delivery{};
  both([&](Side& side) { delivery = side.session->deliver(push, wall_, side.recorder); });
  return delivery;
}

void Device::disconnect(EndReason reason, std::string_view reference) {
  both([&](Side& side) { side.session->disconnect(reason, reference, side.recorder); });
}

void Device::lose_connection() {
  both([&](Side& side) { side.session->connection_lost(side.recorder); });
}

void Device::pass(std::chrono::milliseconds time) {
  now_ += time;
  wall_ += time;
}

void Device::tick() {
  both([&](Side& side) { side.session->tick(now_, side.recorder); });
}

std::string Device::output() {
  bytewise_.recorder.output_.clear();
  return std::exchange(whole_.recorder.output_, {});
}

std::vector<std::string> Device::calls() {
  bytewise_.recorder.calls_.clear();
  return std::exchange(whole_.recorder.calls_, {});
}

SessionState Device::take_state() {
  static_cast<void>(bytewise_.session->take_state());
  return whole_.session->take_state();
}

Device active_device(Version version, std::uint8_t qos, ConnectOptions options,
                     const Limits& limits) {
  Device device(limits);
  options.version = version;
  device.send(connect(options));
  device.accept();
  device.send(subscribe(1, {kInbox}, qos, version));
  REQUIRE(device.session().phase() == Session::Phase::kActive);
  REQUIRE(device.session().state().subscribed);
  static_cast<void>(device.output());
  static_cast<void>(device.calls());
  return device;
}

Device resumed_device(const SessionState& state, Version version, std::string extra) {
  Device device;
  device.send(connect({.version = version, .flags = 0x00, .properties = std::move(extra)}));
  static_cast<void>(device.calls());
  device.accept(state, true);
  return device;
}

Outgoing push(std::uint64_t token, std::string_view payload, WallTime expires,
              std::optional<Ulid> id) {
  return {token, std::string(payload), expires, id};
}

}  // namespace kscpush::mqtt::testing

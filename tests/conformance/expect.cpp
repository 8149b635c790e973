#include "tests/conformance/expect.hpp"

namespace kscpush::mqtt::testing {
namespace {

Device ended_by(std::string_view packet, Version version) {
  CAPTURE(hex(packet));
  Device device = active_device(version);
  device.send(std::string(packet) + kPingreq);
  const Calls calls = device.calls();
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].starts_with("end "));
  CHECK(device.session().phase() == Session::Phase::kClosed);
  return device;
}

}  // namespace

void expect_end_5(std::string_view packet, ReasonCode code) {
  CAPTURE(hex(packet));
  Packets answer(ended_by(packet, k5).output());
  const Frame frame = answer.next();
  REQUIRE(frame.type == PacketType::kDisconnect);
  const auto disconnect = decode_disconnect(frame, k5, Sender::kServer);
  REQUIRE(disconnect.has_value());
  CHECK(to_string(disconnect->code) == to_string(code));
  CHECK(answer.empty());
}

void expect_end_311(std::string_view packet) {
  CHECK(hex(ended_by(packet, k311).output()).empty());
}

void expect_end(std::string_view packet, ReasonCode code) {
  expect_end_5(packet, code);
  expect_end_311(packet);
}

void expect_refused(std::string_view connect, std::string_view connack) {
  CAPTURE(hex(connect));
  Device device;
  device.send(std::string(connect) + kPingreq);
  CHECK(hex(device.output()) == hex(connack));
  const Calls calls = device.calls();
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].starts_with("end "));
}

std::string connect_with_will(Version version, std::uint8_t flags, std::string_view topic,
                              std::string_view encoded) {
  ConnectOptions options;
  options.version = version;
  options.flags = static_cast<std::uint8_t>(flags | 0x04);
  options.tail = (version == k5 ? properties(encoded) : "") + str(topic) + str("gone");
  return connect(options);
}

Device connected_device(const ConnectOptions& options, const Limits& limits) {
  Device device(limits);
  device.send(connect(options));
  device.accept();
  REQUIRE(device.session().phase() == Session::Phase::kActive);
  static_cast<void>(device.output());
  static_cast<void>(device.calls());
  return device;
}

Frame Packets::next() {
  const auto frame = next_frame(std::string_view(bytes_).substr(at_), kMaxPacketBytes);
  REQUIRE(frame.has_value());
  REQUIRE(frame->has_value());
  at_ += (*frame)->size;
  return **frame;
}

}  // namespace kscpush::mqtt::testing

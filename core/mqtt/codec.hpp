// MQTT control packets from and to bytes, for servers and clients, MQTT 3.1.1 and 5.0.
//
// Decoding is strict: what the specification forbids is an error, with the reason code to answer it
// by. It allocates nothing; what it returns are views into the bytes. How packets relate to each
// other (who may send what when) is not decided here but in the sessions.
//
//   next_frame()  cuts one packet off the front of a stream and checks its fixed header
//   decode_*()    reads the packet that is in the frame
//   encode()      appends a packet to a string
//
// Stateless; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "core/mqtt/packet.hpp"

namespace kscpush::mqtt {

// What is wrong with a packet: "value out of range", of SUBJECT (a property; mostly empty). Both
// are literals.
struct DecodeError {
  ReasonCode code = ReasonCode::kMalformedPacket;
  std::string_view text;
  std::string_view subject;
};
// "Receive Maximum: value out of range"
[[nodiscard]] std::string to_string(const DecodeError& error);

template <class T>
using Decoded = tl::expected<T, DecodeError>;

// The largest packet there can be: 4 bytes of remaining length, and the fixed header before it.
inline constexpr std::uint32_t kMaxPacketBytes = 268'435'455 + 5;

struct Frame {
  PacketType type = PacketType::kConnect;
  std::uint8_t flags = 0;
  std::string_view body;  // after the fixed header
  std::size_t size = 0;   // of the whole packet
};

// The packet at the front of BYTES; nothing when more bytes are needed. An error shows as early as
// the bytes tell: a packet above MAX_BYTES is refused by its header (kPacketTooLarge). A remaining
// length in more bytes than needed is malformed, in 3.1.1 too, where the specification is silent.
[[nodiscard]] Decoded<std::optional<Frame>> next_frame(std::string_view bytes,
                                                       std::uint32_t max_bytes);

// Which end of the connection a packet comes from; the rules differ in places.
enum class Sender : std::uint8_t { kClient, kServer };

// CONNECT's first two fields. They decide whether the rest can be understood.
struct Protocol {
  std::string_view name;
  std::uint8_t level = 0;
};
[[nodiscard]] Decoded<Protocol> decode_protocol(const Frame& frame);

// For protocol name "MQTT", level 4 or 5; others are kUnsupportedProtocolVersion.
[[nodiscard]] Decoded<Connect> decode_connect(const Frame& frame);
// The version as whose CONNECT the packet can be read but for its protocol level, so that it can be
// refused in words that its sender understands; by the level when it can be read as neither.
[[nodiscard]] Version connect_layout(const Frame& frame);
[[nodiscard]] Decoded<Connack> decode_connack(const Frame& frame, Version version);
[[nodiscard]] Decoded<Publish> decode_publish(const Frame& frame, Version version, Sender sender);
[[nodiscard]] Decoded<Ack> decode_ack(const Frame& frame, Version version);
[[nodiscard]] Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version);
[[nodiscard]] Decoded<Suback> decode_suback(const Frame& frame, Version version);
[[nodiscard]] Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version,
                                                    Sender sender);
[[nodiscard]] Decoded<Auth> decode_auth(const Frame& frame, Version version);
// PINGREQ and PINGRESP: nothing may follow the fixed header.
[[nodiscard]] Decoded<void> decode_ping(const Frame& frame);

// Reads the filters of a decoded SUBSCRIBE or UNSUBSCRIBE one by one.
class FilterReader {
 public:
  explicit FilterReader(const Subscribe& packet) : type_(packet.type), rest_(packet.filters) {}
  [[nodiscard]] std::optional<Subscription> next();

 private:
  PacketType type_;
  std::string_view rest_;
};

// Whether the specification has CODE in packets of TYPE from SENDER, in MQTT 5.
[[nodiscard]] bool is_reason_code_of(PacketType type, ReasonCode code, Sender sender);

// Appends the packet to OUT. False, and nothing appended, when it would be larger than MAX_BYTES
// (the receiver's Maximum Packet Size) or when a string is beyond MQTT's 65535 bytes. That the
// packet makes sense is for the caller. For MQTT 3.1.1 properties and reason codes are left out.
[[nodiscard]] bool encode(const Connect& packet, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Connack& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Publish& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Ack& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Subscribe& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Suback& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Disconnect& packet, Version version, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
[[nodiscard]] bool encode(const Auth& packet, std::string& out,
                          std::uint32_t max_bytes = kMaxPacketBytes);
void encode_pingreq(std::string& out);
void encode_pingresp(std::string& out);

// Appends one filter as SUBSCRIBE or UNSUBSCRIBE has it, for Subscribe::filters. The filter has at
// most 65535 bytes.
void append_filter(std::string& filters, PacketType type, const Subscription& subscription);

}  // namespace kscpush::mqtt

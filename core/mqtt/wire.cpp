#include "core/mqtt/wire.hpp"

#include "core/mqtt/utf8.hpp"

namespace kscpush::mqtt {

std::string_view Reader::bytes(std::size_t count) {
  if (failed_) return {};
  if (count > rest_.size()) {
    malformed("the packet ends within a field");
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::uint8_t Reader::u8() {
  const std::string_view taken = bytes(1);
  return taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken[0]);
}

std::uint16_t Reader::u16() {
  const std::uint32_t high = u8();
  return static_cast<std::uint16_t>(high << 8 | u8());
}

std::uint32_t Reader::u32() {
  const std::uint32_t high = u16();
  return high << 16 | u16();
}

std::uint32_t Reader::varint() {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const std::uint8_t byte = u8();
    value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) != 0) continue;
    // [MQTT-1.5.5-1]
    if (byte == 0 && shift > 0) malformed("variable byte integer longer than needed");
    return failed_ ? 0 : value;
  }
  malformed("variable byte integer of more than four bytes");
  return 0;
}

std::string_view Reader::binary() {
  return bytes(u16());
}

std::string_view Reader::string() {
  const std::string_view text = binary();
  if (is_utf8_string(text)) return text;
  malformed("string that is not valid UTF-8");
  return {};
}

std::string_view Reader::rest() {
  const std::string_view all = rest_;
  rest_ = {};
  return all;
}

std::uint16_t Reader::packet_id() {
  const std::uint16_t id = u16();
  if (id == 0) protocol_error("packet identifier 0");
  return id;
}

void Counter::varint(std::uint32_t value) {
  do {
    ++size_;
    value >>= 7;
  } while (value != 0);
}

void Writer::u16(std::uint16_t value) {
  u8(static_cast<std::uint8_t>(value >> 8));
  u8(static_cast<std::uint8_t>(value & 0xFF));
}

void Writer::u32(std::uint32_t value) {
  u16(static_cast<std::uint16_t>(value >> 16));
  u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

void Writer::varint(std::uint32_t value) {
  while (value > 0x7F) {
    u8(static_cast<std::uint8_t>((value & 0x7F) | 0x80));
    value >>= 7;
  }
  u8(static_cast<std::uint8_t>(value));
}

void Writer::binary(std::string_view text) {
  u16(static_cast<std::uint16_t>(text.size()));
  bytes(text);
}

}  // namespace kscpush::mqtt

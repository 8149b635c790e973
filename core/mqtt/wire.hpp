// The codec's private parts: MQTT's data types read from and written to bytes.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/mqtt/codec.hpp"
#include "core/mqtt/packet.hpp"

namespace kscpush::mqtt {

// Reads values off the front of bytes. The first error stays; after it every read gives zero or
// nothing, so that a packet is read straight through and checked once, with failed().
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const DecodeError& error() const { return error_; }
  void fail(const DecodeError& error) {
    if (!failed_) error_ = error;
    failed_ = true;
    rest_ = {};
  }
  void malformed(std::string_view text, std::string_view subject = {}) {
    fail({ReasonCode::kMalformedPacket, text, subject});
  }
  void protocol_error(std::string_view text, std::string_view subject = {}) {
    fail({ReasonCode::kProtocolError, text, subject});
  }
  void expect_end() {
    if (!failed_ && !rest_.empty()) malformed("bytes follow the end of the packet");
  }

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint32_t varint();
  std::string_view bytes(std::size_t count);
  std::string_view binary();  // length-prefixed
  std::string_view string();  // the same, and valid UTF-8
  std::string_view rest();    // all that is left
  [[nodiscard]] std::string_view unread() const { return rest_; }
  std::uint16_t packet_id();  // not zero

 private:
  std::string_view rest_;
  bool failed_ = false;
  DecodeError error_;
};

// Counts what a Writer would write, so that lengths are known before what they count.
class Counter {
 public:
  void u8(std::uint8_t) { size_ += 1; }
  void u16(std::uint16_t) { size_ += 2; }
  void u32(std::uint32_t) { size_ += 4; }
  void varint(std::uint32_t value);
  void bytes(std::string_view text) { size_ += text.size(); }
  void binary(std::string_view text) {
    if (text.size() > 0xFFFF) fits_ = false;
    size_ += 2 + text.size();
  }
  void add(const Counter& other) {
    size_ += other.size_;
    fits_ = fits_ && other.fits_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool fits() const { return fits_; }

 private:
  std::size_t size_ = 0;
  bool fits_ = true;
};

// Writes to the end of OUT as many bytes as a Counter counted, all of which there must be.
class Writer {
 public:
  Writer(std::string& out, std::size_t bytes) {
    const std::size_t old = out.size();
    out.resize(old + bytes);
    next_ = out.data() + old;
    end_ = out.data() + out.size();
  }
  ~Writer() { assert(next_ == end_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void u8(std::uint8_t value) {
    assert(next_ != end_);
    *next_++ = static_cast<char>(value);
  }
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void varint(std::uint32_t value);
  void bytes(std::string_view text) {
    assert(text.size() <= static_cast<std::size_t>(end_ - next_));
    next_ = std::ranges::copy(text, next_).out;
  }
  void binary(std::string_view text);

 private:
  char* next_;
  [[maybe_unused]] char* end_;
};

// What WRITE writes to whatever it is given, to the end of OUT.
template <class Write>
void append(std::string& out, const Write& write) {
  Counter counter;
  write(counter);
  Writer writer(out, counter.size());
  write(writer);
}

// Properties as they stand in a packet of TYPE, or in a will: the length and then each. Checks
// which may stand there, how often, and their values.
enum class PropertyPlace : std::uint8_t { kPacket, kWill };
[[nodiscard]] Properties read_properties(Reader& reader, PacketType type,
                                         PropertyPlace place = PropertyPlace::kPacket);
void write_properties(Counter& counter, const Properties& properties);
void write_properties(Writer& writer, const Properties& properties);

}  // namespace kscpush::mqtt

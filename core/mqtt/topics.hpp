// Topic names and filters: MQTT's rules for them, and the few that a device has.
//
//   ksc/v1/devices/ID/push      its inbox: the one topic it may subscribe to
//   ksc/v1/devices/ID/up/LEAF   where it may publish
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/mqtt/packet.hpp"

namespace kscpush::mqtt {

enum class UpTopic : std::uint8_t { kResult, kState, kSync, kEvent };
// "result", "state", "sync", "event".
[[nodiscard]] std::string_view to_string(UpTopic topic);

// The comparisons build no string: they run for every message of every device.
[[nodiscard]] bool is_inbox(std::string_view topic, std::string_view device);
[[nodiscard]] std::optional<UpTopic> up_topic(std::string_view topic, std::string_view device);

// Of one device, without memory from the heap, as there is one for every push.
class TopicName {
 public:
  TopicName(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) append(part);
  }
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)

 private:
  void append(std::string_view part);
  std::array<char, 16 + 128 + 16> text_;  // a device's id has at most 128 characters
  std::size_t size_ = 0;
};
[[nodiscard]] TopicName inbox_topic(std::string_view device);
[[nodiscard]] TopicName up_topic_name(std::string_view device, UpTopic topic);

// At least one character and no wildcard. UTF-8 has been checked elsewhere.
[[nodiscard]] bool is_topic_name(std::string_view topic);

// Shared subscriptions exist in MQTT 5 only; to 3.1.1 "$share/..." is a filter like any other.
enum class FilterKind : std::uint8_t { kPlain, kWildcard, kShared, kIllFormed };
[[nodiscard]] FilterKind filter_kind(std::string_view filter, Version version);

// What the Topic Aliases of a connection stand for: a few bits each, as there are four topics that
// a device may publish to, and all others are the same.
class TopicAliases {
 public:
  static constexpr std::uint16_t kMaximum = 4;  // announced
  // ALIAS is 1 to kMaximum. TOPIC: none for one that the device may not publish to.
  void set(std::uint32_t alias, std::optional<UpTopic> topic) {
    const unsigned value = topic ? static_cast<unsigned>(*topic) + 1 : kForeign;
    bits_ = static_cast<std::uint16_t>((bits_ & ~(0xFU << shift(alias))) | value << shift(alias));
  }
  [[nodiscard]] bool has(std::uint32_t alias) const { return value(alias) != 0; }
  [[nodiscard]] std::optional<UpTopic> get(std::uint32_t alias) const {
    if (value(alias) == kForeign) return std::nullopt;
    return static_cast<UpTopic>(value(alias) - 1);
  }

 private:
  static constexpr unsigned kForeign = 0xF;
  static constexpr unsigned shift(std::uint32_t alias) { return (alias - 1) * 4; }
  [[nodiscard]] unsigned value(std::uint32_t alias) const { return bits_ >> shift(alias) & 0xFU; }
  std::uint16_t bits_ = 0;
};

}  // namespace kscpush::mqtt

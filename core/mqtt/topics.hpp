// Topic names and filters: MQTT's rules for them, and the few that a device has.
//
//   ksc/v1/devices/ID/push      its inbox: the one topic it may subscribe to
//   ksc/v1/devices/ID/up/LEAF   where it may publish
#pragma once

#include <cstdint>
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

[[nodiscard]] std::string inbox_topic(std::string_view device);
[[nodiscard]] std::string up_topic_name(std::string_view device, UpTopic topic);

// At least one character and no wildcard. UTF-8 has been checked elsewhere.
[[nodiscard]] bool is_topic_name(std::string_view topic);

// Shared subscriptions exist in MQTT 5 only; to 3.1.1 "$share/..." is a filter like any other.
enum class FilterKind : std::uint8_t { kPlain, kWildcard, kShared, kIllFormed };
[[nodiscard]] FilterKind filter_kind(std::string_view filter, Version version);

}  // namespace kscpush::mqtt

// What a device says of itself, published under up/state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace kscpush {

// Settings that were changed on the device itself, by path.
using ReportedSettings = std::map<std::string, std::string>;

// The result of a policy that is in force on the device; any other says why it is not.
inline constexpr std::string_view kApplied = "applied";

struct DeviceReport {
  static constexpr std::size_t kLongestResult = 200;  // bytes

  // The policy that the device has applied, or tried to: its revision, and kApplied, or why it was
  // not.
  struct Policy {
    std::string revision;
    std::string result;
  };
  std::optional<Policy> policy{};           // nothing: as reported before
  std::optional<ReportedSettings> local{};  // likewise; an empty map: none
};

// {"v":1, "policy":{"revision":..., "result":"applied"}, "local":{"PATH":"VALUE", ...}}. Each part
// may be left out; values may be numbers and booleans too. Bounded in number and length of
// all; control characters are refused.
[[nodiscard]] std::string encode(const DeviceReport& report);
[[nodiscard]] Result<DeviceReport> decode_report(std::string_view text);

// Local settings as the store keeps them: a JSON object, or nothing for none.
[[nodiscard]] std::string encode_settings(const ReportedSettings& settings);

}  // namespace kscpush

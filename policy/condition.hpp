// Profile activation conditions, also what --select takes: a logical expression over the
// properties of a device.
//
//   expression  = term { "or" term }
//   term        = factor { "and" factor }
//   factor      = "not" factor | "(" expression ")" | comparison
//   comparison  = property operator value
//
//   property    operators                  value
//   id          ==  !=  matches            text; matches takes * and ?
//   platform    ==  !=  matches            text
//   group       ==  !=  matches  within    a group; within: it or a subgroup of it
//   tags        contains                   text
//   address     ==  !=  within             IP address; within: a network as 10.0.0.0/8
//
// A value is a word, or a text in double or single quotes. Example:
//   tags contains laptop and not (group within "Managed devices/Berlin" or platform == linux)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "core/network.hpp"
#include "core/result.hpp"
#include "core/site/model.hpp"

namespace kscpush::policy {

// Views; empty for what is not known. Nothing holds of an unknown address but "!=".
struct DeviceFacts {
  std::string_view id{};
  std::string_view group{};
  std::string_view platform{};
  std::string_view address{};
  std::span<const std::string> tags{};

  [[nodiscard]] site::Whereabouts whereabouts() const { return {group, platform, address}; }
};

struct ConditionError {
  std::size_t column = 0;  // of the text, from 1, in bytes
  std::string message;
  std::string hint;
};

class Condition {
 public:
  static constexpr std::size_t kLongest = 4096;
  static constexpr int kDeepest = 50;

  [[nodiscard]] static tl::expected<Condition, ConditionError> parse(std::string_view text);

  [[nodiscard]] bool holds(const DeviceFacts& device) const;

  enum class Property : std::uint8_t { kId, kPlatform, kGroup, kTags, kAddress };
  enum class Operator : std::uint8_t { kEqual, kNotEqual, kMatches, kWithin, kContains };

 private:
  friend class ConditionParser;
  // The expression in jumps, as a short-circuit evaluation goes: each comparison says where to go
  // on when it holds and when it does not.
  struct Comparison {
    Property property = Property::kId;
    Operator op = Operator::kEqual;
    std::string value;
    IpNetwork network{};       // of an address
    std::int32_t if_true = 0;  // index of the next comparison, or kTrue, kFalse
    std::int32_t if_false = 0;
  };
  static constexpr std::int32_t kTrue = -1;
  static constexpr std::int32_t kFalse = -2;

  [[nodiscard]] static bool compare(const Comparison& comparison, const DeviceFacts& device);
  std::vector<Comparison> comparisons_;
};

}  // namespace kscpush::policy

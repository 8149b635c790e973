// What is known of a device beside its id and its group: values that parse at the edge.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace kscpush {

// The tags of a device: sorted, each once.
using Tags = std::vector<std::string>;
inline constexpr std::size_t kMostTags = 64;    // of one device
inline constexpr std::size_t kLongestTag = 64;  // bytes

// UTF-8 without blanks, control characters, quotes, ',' and ';', not beginning with '+', '-', '='.
[[nodiscard]] Status check_tag(std::string_view tag);
// Each checked; sorted, each once.
[[nodiscard]] Result<Tags> make_tags(std::vector<std::string> tags);
// As a column of a table holds them: separated by ';', ',' or blanks.
[[nodiscard]] Result<Tags> parse_tags(std::string_view text);
// "laptop vip"
[[nodiscard]] std::string join(const Tags& tags);

// A word like windows, linux, macos; in lower case, as conditions compare it. Empty: not known.
[[nodiscard]] Result<std::string> parse_platform(std::string_view text);
// An IPv4 or IPv6 address in its usual form: "2001:DB8:0::1" gives "2001:db8::1". Empty: not known.
[[nodiscard]] Result<std::string> parse_address(std::string_view text);

}  // namespace kscpush

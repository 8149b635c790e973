// What may stand in the texts of devices and servers, which end up in logs, tables and terminals.
#pragma once

#include <string_view>

namespace kscpush {

// 1 to LONGEST letters, digits, '_', '.', '-': paths of settings, revisions. Quotes, blanks and
// control characters have no place in them.
[[nodiscard]] bool is_plain(std::string_view text, std::size_t longest);

// Bytes that a terminal would obey.
[[nodiscard]] bool has_controls(std::string_view text);

}  // namespace kscpush

// What may stand in the texts of devices and servers, which end up in logs, tables and terminals.
#pragma once

#include <string>
#include <string_view>

namespace kscpush {

// 1 to LONGEST letters, digits, '_', '.', '-': paths of settings, revisions. Quotes, blanks and
// control characters have no place in them.
[[nodiscard]] bool is_plain(std::string_view text, std::size_t longest);

// What a terminal would obey: control characters of ASCII and, in UTF-8, those of Latin 1.
[[nodiscard]] bool has_controls(std::string_view text);
// '?' for each of them; lines and tabs stay.
[[nodiscard]] std::string printable(std::string_view text);
// '?' for each of them, so that it is one line; the first LONGEST bytes, in whole characters.
[[nodiscard]] std::string one_line(std::string_view text,
                                   std::size_t longest = std::string_view::npos);

}  // namespace kscpush

// How strings may be written: plain, 'single', "double".
#pragma once

#include <string>
#include <string_view>

namespace kscpush::yaml {

// Whether the text, written without quotes, reads as itself. FLOW: between brackets.
[[nodiscard]] bool fits_plain(std::string_view text, bool flow);
// Whether single quotes can hold it: one line of printable characters.
[[nodiscard]] bool fits_single(std::string_view text);
[[nodiscard]] std::string quote_single(std::string_view text);
// Holds anything, in one line.
[[nodiscard]] std::string quote_double(std::string_view text);

}  // namespace kscpush::yaml

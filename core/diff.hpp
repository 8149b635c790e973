// Line differences of two texts in the unified format.
#pragma once

#include <string>
#include <string_view>

namespace kscpush {

// What `diff -u` prints, three lines of context, headed `--- a/NAME` and `+++ b/NAME` as git does,
// so that `patch -p1` and `git apply` take it. Empty when the texts are equal. Line ends belong to
// their lines: CRLF stays CRLF, and a last line without one is followed by
// "\ No newline at end of file". An absolute NAME loses its leading slashes.
[[nodiscard]] std::string unified_diff(std::string_view old_text, std::string_view new_text,
                                       std::string_view name);

}  // namespace kscpush

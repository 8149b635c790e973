// What a plain scalar means: whether its text is a string or something that has a type.
#pragma once

#include <string_view>

namespace kscpush::yaml {

// "~", "null", "Null", "NULL" and "": what yaml-cpp reads as null.
[[nodiscard]] bool is_null_word(std::string_view text);

// True when a plain scalar of this text is a null, a boolean, a number, a date or a merge key to
// any common reader (YAML 1.1, 1.2 core, JSON), so that a string of this text must be quoted. Errs
// towards true: "no", "0x1F", "1_000", "12:30" and "2026-03-01" are typed to somebody.
[[nodiscard]] bool plain_has_type(std::string_view text);

// Whether the scalar reads as the same value with and without quotes.
[[nodiscard]] inline bool quotes_matter(std::string_view text) {
  return plain_has_type(text);
}

}  // namespace kscpush::yaml

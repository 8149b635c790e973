// Where things end in a YAML text that is known to parse: yaml-cpp says where nodes begin, these
// say the rest. Positions are byte offsets; all accept a position at the end of the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace kscpush::yaml::lexer {

[[nodiscard]] inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
[[nodiscard]] inline bool is_break(char c) {
  return c == '\n' || c == '\r';
}
// The byte there, '\n' at the end of the text: what stops a token stops it there too.
[[nodiscard]] inline char peek(std::string_view text, std::size_t at) {
  return at < text.size() ? text[at] : '\n';
}
[[nodiscard]] inline bool blank_or_break(char c) {
  return is_blank(c) || is_break(c);
}

// Bytes of a byte order mark at the start: 3 or 0.
[[nodiscard]] std::size_t bom_size(std::string_view text);

[[nodiscard]] std::size_t skip_blanks(std::string_view text, std::size_t at);
// Over blanks, line ends and comments, as between two tokens.
[[nodiscard]] std::size_t skip_space(std::string_view text, std::size_t at);
// Behind the ':' between a key that ends at AT and its value; npos when there is none. In block
// style a blank follows it: "::" is a key.
[[nodiscard]] std::size_t colon_end(std::string_view text, std::size_t at, bool flow);
// The first byte of the line; its end without the line end; the first byte of the next line.
[[nodiscard]] std::size_t line_begin(std::string_view text, std::size_t at);
[[nodiscard]] std::size_t line_end(std::string_view text, std::size_t at);
[[nodiscard]] std::size_t next_line(std::string_view text, std::size_t at);

// AT is at a tag '!' or anchor '&': behind it. Otherwise AT.
[[nodiscard]] std::size_t property_end(std::string_view text, std::size_t at);
// Behind the last of a node's tag and anchor that begin at AT, in any order. Those that it does not
// have are not looked for: in the next line the next key's may follow. Without any: AT.
[[nodiscard]] std::size_t properties_end(std::string_view text, std::size_t at, bool tag,
                                         bool anchor);

// The end of the scalar whose first byte is at AT and that reads as VALUE. Of quotes that are not
// closed: npos.
[[nodiscard]] std::size_t quoted_end(std::string_view text, std::size_t at);
[[nodiscard]] std::size_t plain_end(std::string_view text, std::size_t at, std::string_view value);
[[nodiscard]] std::size_t block_scalar_end(std::string_view text, std::size_t at,
                                           std::string_view value);
[[nodiscard]] std::size_t alias_end(std::string_view text, std::size_t at);

}  // namespace kscpush::yaml::lexer

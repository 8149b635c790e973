// Where the parts of a collection stand in the text.
#pragma once

#include <string_view>

#include "core/yaml/document.hpp"
#include "core/yaml/trail.hpp"

namespace kscpush::yaml {

// Bytes from the begin of the line, without a byte order mark.
[[nodiscard]] std::size_t column_of(std::string_view text, std::size_t at);
// Whether only blanks stand before AT in its line.
[[nodiscard]] bool first_on_line(std::string_view text, std::size_t at);
[[nodiscard]] bool has_break(std::string_view text, std::size_t begin, std::size_t end);
// Whether the rest of the line, from AT on, has a comment. AT is between tokens.
[[nodiscard]] bool comment_follows(std::string_view text, std::size_t at);

// The one-entry mapping of [a: b], which has no braces.
[[nodiscard]] bool is_compact(std::string_view text, const Node& node);
// Where a child begins, with its '?' or '-' (flow: without ','), and where its content ends.
[[nodiscard]] std::size_t child_begin(std::string_view text, const Node& node, std::size_t index);
[[nodiscard]] std::size_t child_end(const Node& node, std::size_t index);
// Behind the node's tag and anchor; its begin when it has none.
[[nodiscard]] std::size_t properties_end(std::string_view text, const Node& node);
// ' or " when the node is written in such quotes, else 0.
[[nodiscard]] char quote_of(std::string_view text, const Node& node);
// The column in which the children of a block collection begin; it has at least one.
[[nodiscard]] std::size_t block_column(std::string_view text, const Node& node);

}  // namespace kscpush::yaml

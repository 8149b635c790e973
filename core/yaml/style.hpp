// How a file is written, so that what is added looks like the rest of it.
#pragma once

#include "core/yaml/document.hpp"

namespace kscpush::yaml {

struct Style {
  std::size_t step = 2;             // columns from a key to the keys of the mapping below it
  std::size_t sequence_offset = 2;  // columns from a key to the dashes of the list below it
  char quote = '"';
  bool flow_lists = false;  // lists of scalars are written [a, b]
  // Around every key and string, be it needed or not: '"' in a file that is JSON; 0 for none.
  char always_quote = 0;
};

// What is most frequent in the file; where it has no example, the values above.
[[nodiscard]] Style detect_style(const Document& document);

// The line end of the line at AT: its own, else that of the line before, else "\n".
[[nodiscard]] std::string_view line_break_near(std::string_view text, std::size_t at);

}  // namespace kscpush::yaml

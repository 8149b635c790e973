// What the generators of completion scripts share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/completion/tree.hpp"

namespace kscpush::cli {

inline std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

// In single quotes of a shell.
inline std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

inline bool takes_file(const OptionInfo& option) {
  return option.value == "FILE";
}
inline bool takes_folder(const OptionInfo& option) {
  return option.value == "DIR";
}

}  // namespace kscpush::cli

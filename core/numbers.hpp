// Numbers in the texts of others: /proc, files, answers.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace kscpush {

// The whole of TEXT, in decimal; nothing when it is not a number, or none that T can hold.
template <class T>
[[nodiscard]] std::optional<T> to_number(std::string_view text) {
  T number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace kscpush

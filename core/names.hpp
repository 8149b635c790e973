// Enumerators by their names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace kscpush {

// The one of E that is called NAME. NAMES: of each, in their order from 0 on.
template <class E, std::size_t N>
[[nodiscard]] std::optional<E> named(const std::array<std::string_view, N>& names,
                                     std::string_view name) {
  const auto* const found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

}  // namespace kscpush

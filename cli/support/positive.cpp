#include "cli/support/positive.hpp"

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "core/numbers.hpp"

namespace kscpush::cli {

CLI::Validator positive_number() {
  const auto check = [](std::string& text) {
    const auto number = to_number<std::int64_t>(text);
    return number && *number > 0 ? std::string()
                                 : fmt::format("'{}' is not a whole number from 1 on", text);
  };
  return CLI::Validator(check, "POSITIVE");
}

}  // namespace kscpush::cli

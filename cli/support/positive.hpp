// Numbers on the command line that have no upper end of their own.
#pragma once

#include <CLI/App.hpp>

namespace kscpush::cli {

// A whole number from 1 on. Not CLI::PositiveNumber: that takes 1.5, and tells of the largest
// double, digit by digit, when it refuses.
[[nodiscard]] CLI::Validator positive_number();

}  // namespace kscpush::cli

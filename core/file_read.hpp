// Reading from a file that is open, and files that somebody else may replace at any moment.
#pragma once

#include <filesystem>
#include <string>

#include "core/result.hpp"

namespace kscpush {

class Descriptor;

// From where it stands to the end. Errors name PATH; kTooLarge beyond MAX_BYTES.
[[nodiscard]] Result<std::string> read_all(const Descriptor& file,
                                           const std::filesystem::path& path,
                                           std::size_t max_bytes);

// Never waits, whatever PATH is or becomes meanwhile: a pipe that nobody writes to would hold up
// its reader. kUsage: not a regular file; else as read_file().
[[nodiscard]] Result<std::string> read_regular_file(const std::filesystem::path& path,
                                                    std::size_t max_bytes);

}  // namespace kscpush

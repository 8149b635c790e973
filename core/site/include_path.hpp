// The paths of `include:`: where they lead, and which files a pattern names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/site/sources.hpp"

namespace kscpush::site {

// The name of what WRITTEN, in the file INCLUDING, leads to. kInvalidConfig for absolute paths and
// those that lead out of the root file's folder.
[[nodiscard]] Result<std::string> resolve_include(const std::string& including,
                                                  const std::string& written);

// Holds * or ?.
[[nodiscard]] bool is_pattern(std::string_view path);
// Whether a file name fits: * stands for any bytes, ? for one. As in a shell, neither for a '.' at
// the front.
[[nodiscard]] bool matches_pattern(std::string_view name, std::string_view pattern);
// The files that fit, by name.
[[nodiscard]] std::vector<std::string> expand_pattern(const SourceFolder& folder,
                                                      const std::string& pattern);

}  // namespace kscpush::site

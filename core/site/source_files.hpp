// The files of a site configuration on disk. The only part of core/site that touches it.
#pragma once

#include <filesystem>

#include "core/site/sources.hpp"

namespace kscpush::site {

// The root file and all that it includes. Messages name files relative to DIRECTORY. Errors as
// Sources::gather() and read_file() have them, of the root file.
[[nodiscard]] Result<Sources> read_sources(const std::filesystem::path& root,
                                           const std::filesystem::path& directory);

// Replaces the files whose text EDITED changes, one by one as replace_file() does. Before the first
// is written all are looked at: none may be read-only, or another than in BEFORE. kPartial when a
// file could not be written after others were: the message says which are which.
[[nodiscard]] Status write_sources(const std::filesystem::path& root, const Sources& before,
                                   const Sources& edited);

}  // namespace kscpush::site

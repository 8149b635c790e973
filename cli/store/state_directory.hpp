// The state directory that a command of `kscpush store` is about.
#pragma once

#include <filesystem>
#include <string>

#include "cli/context.hpp"
#include "server/store/upkeep.hpp"

namespace kscpush::cli {

// Of the distribution point named, or the only one. The site must hold.
[[nodiscard]] Result<std::filesystem::path> state_directory(const std::string& dp,
                                                            const Context& context);
// Shows "5 of 12 WHAT (41 %)" while standard error is a terminal; wiped when the last copy goes.
[[nodiscard]] server::UpkeepProgress shown_progress(std::string what, const Context& context);
// "12.3 MiB"
[[nodiscard]] std::string mebibytes(std::int64_t bytes);

}  // namespace kscpush::cli

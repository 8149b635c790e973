// What the editing commands have in common: load, edit the text, save or show the difference.
#pragma once

#include <functional>
#include <string>

#include "cli/support/site_file.hpp"

namespace kscpush::cli {

// EDIT gives the new text; DONE says in a sentence what is so now. DRY_RUN prints a unified diff
// instead of writing.
[[nodiscard]] Status edit_site(const std::function<Result<std::string>(const SiteFile&)>& edit,
                               const std::string& done, bool dry_run, Context& context);

}  // namespace kscpush::cli

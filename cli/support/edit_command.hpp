// What the editing commands have in common: load, edit the text, save or show the difference.
#pragma once

#include <functional>
#include <string>

#include "cli/support/site_file.hpp"

namespace kscpush::cli {

// The edited configuration, and the sentence that says what is so now.
struct SiteEdit {
  site::Sources sources;
  std::string done;
  std::string note{};  // what else should be known, for standard error
};

// DRY_RUN prints a unified diff instead of writing.
[[nodiscard]] Status edit_site(const std::function<Result<SiteEdit>(const SiteFile&)>& edit,
                               bool dry_run, Context& context);

}  // namespace kscpush::cli

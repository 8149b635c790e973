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

// Tells what CHANGE is: in DONE's words, with DRY_RUN the difference instead; or for programs
// {"file", "changed", "difference", "message", "dry_run"}.
void print_change(const SiteFile& file, const SiteChange& change, const std::string& done,
                  bool dry_run, const Context& context);

// DRY_RUN prints a unified diff instead of writing.
[[nodiscard]] Status edit_site(const std::function<Result<SiteEdit>(const SiteFile&)>& edit,
                               bool dry_run, Context& context);

}  // namespace kscpush::cli

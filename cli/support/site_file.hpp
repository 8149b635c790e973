// The site configuration on disk, as the commands use it: find, read, check, edit.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "core/diagnostic.hpp"
#include "core/site/model.hpp"
#include "core/site/paths.hpp"
#include "core/site/sources.hpp"

namespace kscpush::cli {

struct SiteFile {
  std::filesystem::path path;  // the root file
  site::Sources sources;
  site::Site site;

  [[nodiscard]] std::filesystem::path folder() const;
};

// --config, else $KSCPUSH_CONFIG, else ./kscpush.yaml, else /etc/kscpush/kscpush.yaml.
[[nodiscard]] Result<std::filesystem::path> find_config(const Context& context);

// Reads and checks it; what was found comes with it, errors included.
struct CheckedSite {
  SiteFile file;
  Diagnostics diagnostics;
};
[[nodiscard]] Result<CheckedSite> check_site(const Context& context);
[[nodiscard]] CheckedSite check_sources(const std::filesystem::path& path, site::Sources sources);
// "error: FILE:LINE:COLUMN: ..." or "warning: ..." each, on standard error; of more than 1,000 the
// first, and how many more there are.
void print_diagnostics(const Diagnostics& diagnostics, const Context& context);

// The same; prints every error; kInvalidConfig when there are errors among them.
[[nodiscard]] Result<SiteFile> load_site(const Context& context);

struct SiteChange {
  std::vector<std::string> files;  // those that change
  std::string difference;          // of them all, one unified diff
};
// Writes the edited configuration, unless DRY_RUN. Refused when it would not hold.
[[nodiscard]] Result<SiteChange> save_site(const SiteFile& file, const site::Sources& edited,
                                           bool dry_run, const Context& context);

// The distribution point of that name, or the only one there is when NAME is empty.
[[nodiscard]] Result<const site::DistributionPoint*> choose_distribution_point(
    const SiteFile& file, const std::string& name);
// The policy of that name, of that group, or the only one; names are unique in a group only.
[[nodiscard]] Result<const site::Policy*> choose_policy(const SiteFile& file,
                                                        const std::string& name,
                                                        const std::string& group);

}  // namespace kscpush::cli

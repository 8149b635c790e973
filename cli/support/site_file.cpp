#include "cli/support/site_file.hpp"

#include <algorithm>
#include <ostream>

#include "cli/app.hpp"
#include "core/diagnostic.hpp"
#include "core/diff.hpp"
#include "core/site/load.hpp"
#include "core/site/source_files.hpp"
#include "policy/check.hpp"

namespace kscpush::cli {
namespace {

std::string quoted_list(const std::vector<std::string>& names) {
  return names.empty() ? "there are none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::filesystem::path SiteFile::folder() const {
  const auto parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

Result<std::filesystem::path> find_config(const Context& context) {
  if (!context.config.empty()) return context.directory / context.config;
  if (const auto variable = context.environment("KSCPUSH_CONFIG"); variable && !variable->empty()) {
    return context.directory / *variable;
  }
  for (const std::filesystem::path& place :
       {context.directory / "kscpush.yaml", std::filesystem::path("/etc/kscpush/kscpush.yaml")}) {
    std::error_code ignored;
    if (std::filesystem::exists(place, ignored)) return place;
  }
  return fail({ErrorCode::kNotFound,
               "no site configuration: no ./kscpush.yaml, no /etc/kscpush/kscpush.yaml",
               "make one with: kscpush init --dir DIR, or name yours with --config"});
}

void print_diagnostics(const Diagnostics& diagnostics, const Context& context) {
  constexpr std::size_t kMost = 1'000;
  for (std::size_t i = 0; i < diagnostics.size(); ++i) {
    if (i == kMost) {
      const auto rest = diagnostics.begin() + kMost;
      const auto errors = std::count_if(
          rest, diagnostics.end(), [](const auto& d) { return d.severity == Severity::kError; });
      print_note(fmt::format("{} more errors and {} more warnings are not shown", errors,
                             diagnostics.end() - rest - errors),
                 context);
      return;
    }
    const Diagnostic& d = diagnostics[i];
    const Error shown{ErrorCode::kInvalidConfig, to_string(d.origin) + ": " + d.message, d.hint};
    if (d.severity == Severity::kError) {
      print_error(shown, context);
    } else {
      print_warning(shown, context);
    }
  }
}

CheckedSite check_sources(const std::filesystem::path& path, site::Sources sources) {
  CheckedSite checked{{path, std::move(sources), {}}, {}};
  checked.file.site = site::load(checked.file.sources, checked.diagnostics);
  policy::check(checked.file.site, checked.diagnostics);
  return checked;
}

Result<CheckedSite> check_site(const Context& context) {
  const auto path = find_config(context);
  if (!path) return fail(path.error());
  // Messages name files as the user would: relative to where they are.
  auto sources = site::read_sources(*path, context.directory);
  if (!sources) return fail(sources.error());
  return check_sources(*path, std::move(*sources));
}

Result<SiteFile> load_site(const Context& context) {
  auto checked = check_site(context);
  if (!checked) return fail(checked.error());
  print_diagnostics(checked->diagnostics, context);
  if (has_errors(checked->diagnostics)) return fail({ErrorCode::kInvalidConfig, "", ""});
  return std::move(checked->file);
}

Result<SiteChange> save_site(const SiteFile& file, const site::Sources& edited, bool dry_run,
                             const Context& context) {
  SiteChange change;
  for (const std::size_t i : edited.changed_since(file.sources)) {
    change.files.push_back(edited.document(i).name());
    change.difference += unified_diff(file.sources.document(i).text(), edited.document(i).text(),
                                      change.files.back());
  }
  if (change.files.empty()) return change;
  const CheckedSite checked = check_sources(file.path, edited);
  if (has_errors(checked.diagnostics)) {
    print_diagnostics(checked.diagnostics, context);
    return fail({ErrorCode::kInvalidConfig,
                 "the edited configuration would not hold; nothing was written", ""});
  }
  if (dry_run) return change;
  if (auto written = site::write_sources(file.path, file.sources, edited); !written) {
    return fail(written.error());
  }
  return change;
}

Result<const site::DistributionPoint*> choose_distribution_point(const SiteFile& file,
                                                                 const std::string& name) {
  std::vector<std::string> names;
  for (const auto& dp : file.site.distribution_points) names.push_back(dp.name);
  if (name.empty()) {
    if (names.size() == 1) return &file.site.distribution_points.front();
    return fail({names.empty() ? ErrorCode::kNotFound : ErrorCode::kUsage,
                 names.empty() ? "the configuration has no distribution point"
                               : "which distribution point? There are several",
                 names.empty() ? "add one under distribution_points"
                               : fmt::format("name one of: {}", quoted_list(names))});
  }
  if (const auto* dp = file.site.find_distribution_point(name)) return dp;
  return fail({ErrorCode::kNotFound,
               fmt::format("no distribution point '{}'{}", name, suggestion(name, names)),
               fmt::format("distribution points: {}", quoted_list(names))});
}

Result<const site::Policy*> choose_policy(const SiteFile& file, const std::string& name,
                                          const std::string& group) {
  std::vector<const site::Policy*> found;
  std::vector<std::string> all;
  std::vector<std::string> names;
  for (const site::Policy& policy : file.site.policies) {
    all.push_back(fmt::format("'{}' of group '{}'", policy.name, policy.group));
    names.push_back(policy.name);
    if ((name.empty() || policy.name == name) && (group.empty() || policy.group == group)) {
      found.push_back(&policy);
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    const std::string wanted =
        all.empty()     ? "the configuration has no policy"
        : group.empty() ? fmt::format("no policy '{}'{}", name, suggestion(name, names))
                        : fmt::format("no policy{} in group '{}'",
                                      name.empty() ? "" : fmt::format(" '{}'", name), group);
    return fail({ErrorCode::kNotFound, wanted, fmt::format("policies: {}", quoted_list(all))});
  }
  return fail({ErrorCode::kUsage, "which policy? There are several",
               fmt::format("name one with --policy or --group: {}", quoted_list(all))});
}

}  // namespace kscpush::cli

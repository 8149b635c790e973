#include "core/site/include_path.hpp"

#include <algorithm>
#include <filesystem>

namespace kscpush::site {
namespace {

namespace fs = std::filesystem;

bool matches(std::string_view name, std::string_view pattern) {
  // Goes back to the last * only, so the time is the product of the lengths at most.
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_at = 0;
  while (at < name.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (in_pattern < pattern.size() &&
               (pattern[in_pattern] == '?' || pattern[in_pattern] == name[at])) {
      ++in_pattern;
      ++at;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', in_pattern) == std::string_view::npos;
}

}  // namespace

Result<std::string> resolve_include(const std::string& including, const std::string& written) {
  const fs::path path(written);
  if (path.is_absolute()) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the included path '{}' is absolute", written.substr(0, 200)),
                 "write it relative to the file that includes it, so that the configuration can "
                 "be moved and kept in git"});
  }
  const fs::path resolved = (fs::path(including).parent_path() / path).lexically_normal();
  if (!resolved.empty() && *resolved.begin() == "..") {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the included path '{}' leads out of the configuration's folder",
                             written.substr(0, 200)),
                 "put the file into the folder of the root file, or below it"});
  }
  return resolved.generic_string();
}

bool is_pattern(std::string_view path) {
  return path.find_first_of("*?") != std::string_view::npos;
}

bool matches_pattern(std::string_view name, std::string_view pattern) {
  if (name.starts_with('.') != pattern.starts_with('.')) return false;
  return matches(name, pattern);
}

std::vector<std::string> expand_pattern(const SourceFolder& folder, const std::string& pattern) {
  std::vector<std::string> found{""};
  const fs::path path(pattern);
  for (auto part = path.begin(); part != path.end(); ++part) {
    const bool last = std::next(part) == path.end();
    std::vector<std::string> next;
    for (const std::string& base : found) {
      const std::string prefix = base.empty() ? "" : base + "/";
      if (!is_pattern(part->string()) && !last) {
        next.push_back(prefix + part->string());
        continue;
      }
      for (const SourceFolder::Item& item : folder.list(base)) {
        const bool fits = item.is_folder != last && matches_pattern(item.name, part->string());
        if (fits) next.push_back(prefix + item.name);
      }
    }
    found = std::move(next);
  }
  std::ranges::sort(found);
  if (found.size() > Sources::kMaxFiles + 1) found.resize(Sources::kMaxFiles + 1);
  return found;
}

}  // namespace kscpush::site

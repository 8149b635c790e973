#include "cli/support/groups.hpp"

#include "core/diagnostic.hpp"

namespace kscpush::cli {
namespace {

constexpr std::size_t kMostListed = 20;

}  // namespace

Status require_group(const site::Site& site, const std::string& group) {
  if (site.has_group(group)) return {};
  std::vector<std::string> groups{std::string(site::kRootGroup)};
  for (const site::Group& known : site.groups) groups.push_back(known.path);
  const std::string guess = suggestion(group, groups);
  const bool many = groups.size() > kMostListed;
  if (many) groups.resize(kMostListed);
  return fail({ErrorCode::kNotFound, fmt::format("no group '{}'{}", group, guess),
               fmt::format("groups: {}{}", fmt::join(groups, ", "),
                           many ? ", ...; see: kscpush group list" : "")});
}

std::string how_to_move(const std::string& group) {
  return fmt::format(
      "move them: kscpush device list --group \"{}\" -o name | xargs kscpush device move --group "
      "GROUP",
      group);
}

}  // namespace kscpush::cli

// kscpush validate: everything that is wrong with the configuration, each at its place.
#include <ostream>

#include "cli/commands.hpp"
#include "cli/support/site_file.hpp"

namespace kscpush::cli {

void add_validate(CLI::App& parent, Context& context) {
  CLI::App* command =
      parent.add_subcommand("validate", "Check the site configuration and report every error");
  command->callback([&context] {
    context.action = [&context]() -> Status {
      const auto file = load_site(context);
      if (!file) return fail(file.error());
      context.out << fmt::format("{}: valid ({} groups, {} distribution points, {} policies)\n",
                                 file->document.name(), file->site.groups.size(),
                                 file->site.distribution_points.size(), file->site.policies.size());
      return {};
    };
  });
}

}  // namespace kscpush::cli

#include "cli/support/edit_command.hpp"

#include <ostream>

namespace kscpush::cli {

Status edit_site(const std::function<Result<std::string>(const SiteFile&)>& edit,
                 const std::string& done, bool dry_run, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto edited = edit(*file);
  if (!edited) return fail(edited.error());
  const auto changed = save_site(*file, *edited, dry_run, context);
  if (!changed) return fail(changed.error());
  if (dry_run && *changed) return {};
  context.out << fmt::format("{}: {}{}\n", file->document.name(), done,
                             *changed ? "" : " (nothing to change)");
  return {};
}

}  // namespace kscpush::cli

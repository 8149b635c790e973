#include "cli/support/edit_command.hpp"

#include <ostream>

#include "cli/app.hpp"

namespace kscpush::cli {

Status edit_site(const std::function<Result<SiteEdit>(const SiteFile&)>& edit, bool dry_run,
                 Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto edited = edit(*file);
  if (!edited) return fail(edited.error());
  const auto changed = save_site(*file, edited->sources, dry_run, context);
  if (!changed) return fail(changed.error());
  if (dry_run && !changed->empty()) return {};
  context.out << (changed->empty()
                      ? fmt::format("{}: {} (nothing to change)\n", file->sources.root().name(),
                                    edited->done)
                      : fmt::format("{}: {}\n", fmt::join(*changed, ", "), edited->done));
  if (!edited->note.empty()) print_note(edited->note, context);
  return {};
}

}  // namespace kscpush::cli

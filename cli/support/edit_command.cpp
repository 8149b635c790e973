#include "cli/support/edit_command.hpp"

#include <ostream>

#include <fmt/ranges.h>

#include "cli/app.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {

void print_change(const SiteFile& file, const SiteChange& change, const std::string& done,
                  bool dry_run, const Context& context) {
  const std::string root(file.sources.root().name());
  if (!prints_text(context)) {
    return print_object({{"file", root},
                         {"changed", change.files},
                         {"difference", change.difference},
                         {"message", done},
                         {"dry_run", dry_run}},
                        {}, "/file", context);
  }
  if (change.files.empty()) {
    context.out << fmt::format("{}: {} (nothing to change)\n", root, done);
  } else if (dry_run) {
    context.out << change.difference;
  } else {
    context.out << fmt::format("{}: {}\n", fmt::join(change.files, ", "), done);
  }
}

Status edit_site(const std::function<Result<SiteEdit>(const SiteFile&)>& edit, bool dry_run,
                 Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto edited = edit(*file);
  if (!edited) return fail(edited.error());
  const auto change = save_site(*file, edited->sources, dry_run, context);
  if (!change) return fail(change.error());
  print_change(*file, *change, edited->done, dry_run, context);
  const bool is_preview = dry_run && !change->files.empty();
  if (!is_preview && !edited->note.empty()) print_note(edited->note, context);
  return {};
}

}  // namespace kscpush::cli

// kscpush push: messages to devices, stored until they are acknowledged or over.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_push(CLI::App& parent, Context& context) {
  CLI::App* push = parent.add_subcommand("push", "Pushes: send them, and see what became of them");
  push->require_subcommand(1);
  add_push_send(*push, context);
  add_push_list(*push, context);
  add_push_show(*push, context);
  add_push_cancel(*push, context);
}

}  // namespace kscpush::cli

// kscpush task: what devices have declared to be run on them.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_task(CLI::App& parent, Context& context) {
  CLI::App* task =
      parent.add_subcommand("task", "Tasks that devices declare: list, start, stop, follow them");
  task->require_subcommand(1);
  add_task_list(*task, context);
  add_task_start(*task, context);
  add_task_stop(*task, context);
  add_task_status(*task, context);
}

}  // namespace kscpush::cli

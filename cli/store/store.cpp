// kscpush store: the database of a push server, whether the server runs or not.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_store(CLI::App& parent, Context& context) {
  CLI::App* store = parent.add_subcommand("store", "The database of a push server");
  store->require_subcommand(1);
  add_store_check(*store, context);
  add_store_compact(*store, context);
  add_store_backup(*store, context);
}

}  // namespace kscpush::cli

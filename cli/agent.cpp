#include "cli/commands.hpp"

namespace kscpush::cli {

void add_agent(CLI::App& /*parent*/, Context& /*context*/) {}

}  // namespace kscpush::cli

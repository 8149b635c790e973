// Commands that reach many devices: which ones.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"

namespace kscpush::cli {

struct TargetOptions {
  std::vector<std::string> devices;
  std::string group;
  std::string select;
  bool all = false;
  std::string from;  // a file with ids, "-" for standard input
  bool yes = false;
};

// Positional ids, --group, --select, --all, --from, --yes.
void add_target_options(CLI::App& command, TargetOptions& options);
// The same without the positional ids, for commands whose words mean something else as well.
void add_target_flags(CLI::App& command, TargetOptions& options);

// The fields of a request to the admin API. One device: {"devices": [ID]}. kUsage: none, several
// kinds, or an id that is none, with its line.
[[nodiscard]] Result<nlohmann::json> target_fields(const TargetOptions& options);

// Asks on a terminal whether so many devices are meant; --yes, or a single one, needs no answer.
// Without a terminal it takes --yes. WHAT: "send 'sync'". kUsage: not confirmed.
[[nodiscard]] Status confirm(const TargetOptions& options, const std::string& what,
                             std::size_t devices, const Context& context);

}  // namespace kscpush::cli

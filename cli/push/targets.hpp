// Whom a push goes to, as the command line says it.
#pragma once

#include <string>

#include <CLI/App.hpp>

#include "core/ids.hpp"

namespace kscpush::cli {

struct TargetOptions {
  std::string device;
};
void add_target_options(CLI::App& command, TargetOptions& options);

[[nodiscard]] Result<DeviceId> parse_target(const TargetOptions& options);

}  // namespace kscpush::cli

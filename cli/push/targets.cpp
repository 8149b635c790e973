#include "cli/push/targets.hpp"

namespace kscpush::cli {

void add_target_options(CLI::App& command, TargetOptions& options) {
  command.add_option("device", options.device, "Device id")->type_name("DEVICE")->required();
}

Result<DeviceId> parse_target(const TargetOptions& options) {
  return DeviceId::parse(options.device);
}

}  // namespace kscpush::cli

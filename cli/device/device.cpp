// kscpush device: the registry of devices and their certificates.
#include "cli/commands.hpp"

namespace kscpush::cli {

void add_device(CLI::App& parent, Context& context) {
  CLI::App* device = parent.add_subcommand("device", "The registry of devices");
  device->require_subcommand(1);
  add_device_add(*device, context);
  add_device_list(*device, context);
  add_device_show(*device, context);
  add_device_import(*device, context);
  add_device_move(*device, context);
  add_device_tag(*device, context);
  add_device_remove(*device, context);
  add_device_revoke(*device, context);
  add_device_restore(*device, context);
  add_device_enroll(*device, context);
}

}  // namespace kscpush::cli

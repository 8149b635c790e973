// kscpush device add
#include <ostream>

#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct AddOptions {
  std::string id;
  std::string group{site::kRootGroup};
  std::string dp;
};

Status run_device_add(const AddOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
  const auto registry = Registry::open(options.dp, context);
  if (!registry) return fail(registry.error());
  const auto added = registry->add(*id, options.group);
  if (!added) return fail(added.error());
  if (context.output_format() == Format::kTable || context.output_format() == Format::kWide) {
    context.out << fmt::format("device '{}' added to group '{}'\n", id->str(), options.group);
  } else {
    print_object(*added, {}, "/id", context);
  }
  return {};
}

}  // namespace

void add_device_add(CLI::App& parent, Context& context) {
  auto options = std::make_shared<AddOptions>();
  CLI::App* command = parent.add_subcommand("add", "Register a device");
  command->add_option("id", options->id, "Device id: letters, digits, '.', '_', ':', '-'")
      ->type_name("ID")
      ->required();
  command->add_option("--group", options->group, "Its administration group")->type_name("GROUP");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_add(*options, context); };
  });
}

}  // namespace kscpush::cli

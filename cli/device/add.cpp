// kscpush device add
#include <ostream>

#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct AddOptions {
  std::string id;
  std::string group{site::kRootGroup};
  std::vector<std::string> tags;
  std::string platform;
  std::string address;
  std::string dp;
};

Result<server::NewDevice> parse_device(const AddOptions& options) {
  auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
  auto tags = make_tags(options.tags);
  if (!tags) return fail(tags.error());
  auto platform = parse_platform(options.platform);
  if (!platform) return fail(platform.error());
  auto address = parse_address(options.address);
  if (!address) return fail(address.error());
  return server::NewDevice{std::move(*id), options.group, std::move(*tags), std::move(*platform),
                           std::move(*address)};
}

Status run_device_add(const AddOptions& options, Context& context) {
  const auto device = parse_device(options);
  if (!device) return fail(device.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  if (auto known = require_group(file->site, options.group); !known) return known;
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  const auto added = registry->add(*device);
  if (!added) return fail(added.error());
  if (prints_text(context)) {
    context.out << fmt::format("device '{}' added to group '{}'\n", device->id.str(),
                               options.group);
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
  command->add_option("--tag", options->tags, "A tag of it (repeatable)")
      ->type_name("TAG")
      ->allow_extra_args(false);
  command->add_option("--platform", options->platform, "windows, linux, macos ...")
      ->type_name("PLATFORM");
  command->add_option("--address", options->address, "Its IP address, until it has been seen")
      ->type_name("ADDRESS");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_add(*options, context); };
  });
}

}  // namespace kscpush::cli

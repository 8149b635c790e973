// kscpush device list
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct ListOptions {
  std::string group;
  std::string tag;
  std::string platform;
  bool revoked = false;
  std::string dp;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all{{"ID", "/id"},
                                       {"GROUP", "/group"},
                                       {"TAGS", "/tags"},
                                       {"PLATFORM", "/platform"},
                                       {"STATE", "/state"},
                                       {"CONNECTED SINCE", "/connection/since"},
                                       {"ADDRESS", "/address"},
                                       {"LAST SEEN", "/last_seen"},
                                       {"PROTOCOL", "/connection/protocol", true},
                                       {"AGENT", "/connection/agent", true},
                                       {"ENROLLED", "/enrolled", true},
                                       {"POLICY REPORTED", "/policy/revision", true}};
  return all;
}

Status run_device_list(const ListOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  auto platform = parse_platform(options.platform);
  if (!platform) return fail(platform.error());
  server::DeviceFilter filter{options.group, options.tag, std::move(*platform), std::nullopt};
  if (options.revoked) filter.revoked = true;
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  ListPrinter printer(columns(), "/id", context);
  bool any = false;
  const auto listed = registry->list(filter, [&](const nlohmann::json& devices) {
    nlohmann::json page = devices;
    if (page.empty()) return;
    any = true;
    for (nlohmann::json& device : page) device["state"] = state_of(device);
    printer.add(page);
  });
  if (!listed) return listed;
  // Devices may be in a group that is not declared any more.
  if (!any && !options.group.empty()) {
    if (auto known = require_group(file->site, options.group); !known) return known;
  }
  printer.finish();
  return {};
}

}  // namespace

void add_device_list(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = parent.add_subcommand("list", "The devices, and whether they are connected");
  command->add_option("--group", options->group, "Those of this group and its subgroups")
      ->type_name("GROUP");
  command->add_option("--tag", options->tag, "Those that have this tag")->type_name("TAG");
  command->add_option("--platform", options->platform, "Those of this platform")
      ->type_name("PLATFORM");
  command->add_flag("--revoked", options->revoked, "Those that are revoked");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_list(*options, context); };
  });
}

}  // namespace kscpush::cli

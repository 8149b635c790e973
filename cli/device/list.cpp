// kscpush device list
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {

void add_device_list(CLI::App& parent, Context& context) {
  auto dp = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand("list", "All devices, and whether they are connected");
  command->add_option("--dp", *dp, "Distribution point (default: the only one)")->type_name("DP");
  command->callback([dp, &context] {
    context.action = [dp, &context]() -> Status {
      const auto registry = Registry::open(*dp, context);
      if (!registry) return fail(registry.error());
      const auto list = registry->list();
      if (!list) return fail(list.error());
      print_list(*list,
                 {{"ID", "/id"},
                  {"GROUP", "/group"},
                  {"CONNECTED SINCE", "/connection/since"},
                  {"ADDRESS", "/connection/address"},
                  {"LAST SEEN", "/last_seen"},
                  {"PROTOCOL", "/connection/protocol", true},
                  {"AGENT", "/connection/agent", true},
                  {"ENROLLED", "/enrolled", true},
                  {"REVOKED", "/revoked", true}},
                 "/id", context);
      return {};
    };
  });
}

}  // namespace kscpush::cli

// kscpush dp enable, disable, set: one edit, three names.
#include <ostream>

#include "cli/commands.hpp"
#include "cli/dp/view.hpp"
#include "cli/support/edit_command.hpp"
#include "core/numbers.hpp"
#include "core/site/edit.hpp"

namespace kscpush::cli {
namespace {

struct DpSetOptions {
  std::string dp;
  std::optional<bool> enabled;
  std::string port;             // empty: as it is
  std::string max_connections;  // empty: as it is
  std::string address;          // empty: as it is
  bool dry_run = false;
};

Result<site::DistributionPointChange> parse_change(const DpSetOptions& options) {
  site::DistributionPointChange change;
  change.enabled = options.enabled;
  if (!options.port.empty()) {
    auto port = Port::parse(options.port);
    if (!port) return fail(port.error());
    change.port = *port;
  }
  if (!options.max_connections.empty()) {
    const auto number = to_number<std::uint32_t>(options.max_connections);
    if (!number || *number == 0) {
      return fail({ErrorCode::kUsage,
                   fmt::format("'{}' is not a number of connections", options.max_connections),
                   "a push server carries up to 50000 connections"});
    }
    change.max_connections = *number;
  }
  if (!options.address.empty()) change.address = options.address;
  const bool nothing =
      !change.enabled && !change.port && !change.max_connections && !change.address;
  if (nothing) {
    return fail({ErrorCode::kUsage, "nothing to set",
                 "give at least one of --port, --max-connections, --address"});
  }
  return change;
}

// What the distribution point will be, in a sentence.
std::string summary(const site::DistributionPoint& dp,
                    const site::DistributionPointChange& change) {
  return fmt::format("push server of '{}' is {}, port {}, up to {} connections", dp.name,
                     change.enabled.value_or(dp.push_server.enabled) ? "on" : "off",
                     change.port.value_or(dp.push_server.port).value(),
                     change.max_connections.value_or(dp.push_server.max_connections));
}

Status run_dp_set(const DpSetOptions& options, Context& context) {
  const auto change = parse_change(options);
  if (!change) return fail(change.error());
  return edit_site(
      [&](const SiteFile& file) -> Result<SiteEdit> {
        const auto dp = choose_distribution_point(file, options.dp);
        if (!dp) return fail(dp.error());
        auto edited = site::change(file.sources, **dp, *change);
        if (!edited) return fail(edited.error());
        const bool on = change->enabled.value_or((*dp)->push_server.enabled);
        return SiteEdit{std::move(*edited), summary(**dp, *change),
                        on ? describe_policy_half(file.site, **dp) : ""};
      },
      options.dry_run, context);
}

CLI::App* add_edit(CLI::App& parent, const std::string& name, const std::string& help,
                   const std::shared_ptr<DpSetOptions>& options, Context& context) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_dp_set(*options, context); };
  });
  return command;
}

void add_numbers(CLI::App& command, DpSetOptions& options) {
  command.add_option("--port", options.port, "TLS port that devices connect to (usual: 13295)")
      ->type_name("PORT");
  command
      .add_option("--max-connections", options.max_connections,
                  "Devices that may be connected at once (usual: 50000)")
      ->type_name("N");
}

}  // namespace

void add_dp_enable(CLI::App& parent, Context& context) {
  auto options = std::make_shared<DpSetOptions>();
  options->enabled = true;
  add_numbers(*add_edit(parent, "enable", "Switch the push server on", options, context), *options);
}

void add_dp_disable(CLI::App& parent, Context& context) {
  auto options = std::make_shared<DpSetOptions>();
  options->enabled = false;
  add_edit(parent, "disable", "Switch the push server off", options, context);
}

void add_dp_set(CLI::App& parent, Context& context) {
  auto options = std::make_shared<DpSetOptions>();
  CLI::App* command = add_edit(parent, "set", "Change a distribution point", options, context);
  add_numbers(*command, *options);
  command->add_option("--address", options->address, "What devices connect to")->type_name("HOST");
}

}  // namespace kscpush::cli

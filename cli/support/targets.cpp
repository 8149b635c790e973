#include "cli/support/targets.hpp"

#include <algorithm>

#include "core/file.hpp"
#include "core/ids.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{64} << 20U;

// One id a line; blank lines and what follows '#' do not count.
Result<std::vector<std::string>> read_ids(const std::string& name) {
  const auto text = read_file(name == "-" ? "/dev/stdin" : name, kMostBytes);
  if (!text) return fail(text.error());
  std::vector<std::string> ids;
  std::string_view rest = *text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    std::string_view row = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(row.size() + 1, rest.size()));
    row = row.substr(0, row.find('#'));
    while (!row.empty() && std::string_view(" \t\r").find(row.back()) != std::string_view::npos) {
      row.remove_suffix(1);
    }
    row.remove_prefix(std::min(row.find_first_not_of(" \t"), row.size()));
    if (row.empty()) continue;
    auto id = DeviceId::parse(row);
    if (!id) return fail(within(fmt::format("{}:{}", name, line), id.error()));
    ids.emplace_back(id->str());
  }
  if (!ids.empty()) return ids;
  return fail({ErrorCode::kUsage, fmt::format("{} names no device", name), "one id a line"});
}

}  // namespace

void add_target_options(CLI::App& command, TargetOptions& options) {
  command.add_option("device", options.devices, "Device ids")->type_name("DEVICE");
  add_target_flags(command, options);
}

void add_target_flags(CLI::App& command, TargetOptions& options) {
  command.add_option("--group", options.group, "All devices of a group and its subgroups")
      ->type_name("GROUP");
  command
      .add_option("--select", options.select,
                  "All devices of which a condition holds, as profiles have them")
      ->type_name("EXPR");
  command.add_flag("--all", options.all, "All devices in the scope of the distribution point");
  command.add_option("--from", options.from, "Ids from a file, one a line; -: standard input")
      ->type_name("FILE");
  command.add_flag("-y,--yes", options.yes, "Do not ask whether so many devices are meant");
}

Result<json> target_fields(const TargetOptions& options) {
  const int kinds = (options.devices.empty() ? 0 : 1) + (options.group.empty() ? 0 : 1) +
                    (options.select.empty() ? 0 : 1) + (options.all ? 1 : 0) +
                    (options.from.empty() ? 0 : 1);
  if (kinds != 1) {
    return fail({ErrorCode::kUsage,
                 kinds == 0 ? "which devices?" : "devices are named in more than one way",
                 "name them by their ids, or with one of --group, --select, --all and --from"});
  }
  if (!options.group.empty()) return json{{"group", options.group}};
  if (!options.select.empty()) return json{{"select", options.select}};
  if (options.all) return json{{"all", true}};
  if (!options.from.empty()) {
    auto ids = read_ids(options.from);
    if (!ids) return fail(ids.error());
    return json{{"devices", std::move(*ids)}};
  }
  for (const std::string& text : options.devices) {
    if (auto id = DeviceId::parse(text); !id) return fail(id.error());
  }
  return json{{"devices", options.devices}};
}

Status confirm(const TargetOptions& options, const std::string& what, std::size_t devices,
               const Context& context) {
  if (options.yes || devices == 1) return {};
  if (context.ask == nullptr) {
    return fail({ErrorCode::kUsage,
                 fmt::format("{} devices are meant, and nobody can be asked", devices),
                 "--yes says that so many are right"});
  }
  const std::string answer = context.ask(fmt::format("{} to {} devices? [y/N] ", what, devices));
  if (answer == "y" || answer == "yes" || answer == "Y") return {};
  return fail({ErrorCode::kUsage, "nothing was done", ""});
}

}  // namespace kscpush::cli

// kscpush dp capacity, assign: do the push servers carry the devices, and which one is whose?
#include "policy/capacity.hpp"

#include <charconv>
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/output.hpp"
#include "policy/assign.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct CapacityOptions {
  std::string dp;
  std::vector<std::string> devices;
  bool no_registry = false;
};

Result<policy::DevicesByGroup> given_counts(const std::vector<std::string>& texts,
                                            const SiteFile& file) {
  policy::DevicesByGroup counts;
  for (const std::string& text : texts) {
    const std::size_t equals = text.rfind('=');
    std::uint64_t count = 0;
    const char* const last = text.data() + text.size();
    const auto [end, code] =
        std::from_chars(text.data() + std::min(equals, text.size() - 1) + 1, last, count);
    if (equals == std::string::npos || code != std::errc() || end != last) {
      return fail({ErrorCode::kUsage, fmt::format("'{}' is not GROUP=NUMBER", text),
                   "for example --devices \"Managed devices/Berlin=12000\""});
    }
    const std::string group = text.substr(0, equals);
    if (!file.site.has_group(group)) return fail(ErrorCode::kNotFound, "no group '{}'", group);
    counts[group] += count;
  }
  return counts;
}

// Without a registry there are no devices: the table shows what could be carried.
Result<policy::DevicesByGroup> registered_counts(const CapacityOptions& options,
                                                 const SiteFile& file, const Context& context) {
  if (options.no_registry) return policy::DevicesByGroup();
  if (!options.dp.empty()) {
    const auto registry = Registry::open(file, options.dp, context);
    if (!registry) return fail(registry.error());
    return registry->counts();
  }
  const auto counts = known_counts(file, "", context);
  if (!counts) print_note("No registry can be asked: no devices are counted.", context);
  return counts.value_or(policy::DevicesByGroup());
}

void print_advice(const policy::Capacity& all, const Context& context) {
  for (const policy::SharingGroup& group : all.groups) {
    const auto advice = policy::points_advice(group.devices);
    print_note(
        group.devices < 300
            ? fmt::format("'{}': {} devices; below 300 in one network segment need no distribution "
                          "point of their own.",
                          group.group, group.devices)
            : fmt::format("'{}': {} devices in one network segment ask for {} distribution points "
                          "at least, {} recommended; {} when workstations serve.",
                          group.group, group.devices, advice.acceptable, advice.recommended,
                          advice.workstations),
        context);
  }
  for (const auto& [group, count] : all.without_push_server) {
    print_note(fmt::format("'{}': {} devices that no enabled push server serves.", group, count),
               context);
  }
}

Status run_capacity(const CapacityOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto counts = options.devices.empty() ? registered_counts(options, *file, context)
                                              : given_counts(options.devices, *file);
  if (!counts) return fail(counts.error());
  const policy::Capacity all = policy::capacity(file->site, *counts);
  json list = json::array();
  for (const policy::SharingGroup& group : all.groups) {
    for (const policy::PointLoad& point : group.points) {
      list.push_back({{"group", group.group},
                      {"dp", point.dp->name},
                      {"expected_devices", point.expected},
                      {"max_connections", point.capacity},
                      {"within_yardstick", point.expected <= policy::kDevicesPerPoint},
                      {"group_devices", group.devices},
                      {"group_capacity", group.capacity},
                      {"group_fits", group.fits()},
                      {"survives_loss", group.survives_loss()}});
    }
  }
  print_list(list,
             {{"GROUP", "/group"},
              {"DP", "/dp"},
              {"EXPECTED DEVICES", "/expected_devices"},
              {"MAX CONNECTIONS", "/max_connections"},
              {"UP TO 10,000 DEVICES", "/within_yardstick"},
              {"GROUP FITS", "/group_fits"},
              {"SURVIVES LOSS OF LARGEST", "/survives_loss"}},
             "/dp", context);
  print_advice(all, context);
  return {};
}

Status run_assign(const SubjectOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto subject = find_subject(options, *file, context);
  if (!subject) return fail(subject.error());
  const auto assignment = policy::assign(file->site, subject->id, subject->group);
  if (assignment.ranked.empty()) {
    return fail({ErrorCode::kNotFound,
                 fmt::format("no distribution point in reach of group '{}' runs a push server",
                             subject->group),
                 "switch one on: kscpush dp enable"});
  }
  json list = json::array();
  for (std::size_t i = 0; i < assignment.ranked.size(); ++i) {
    const auto& [dp, score] = assignment.ranked[i];
    list.push_back({{"rank", i + 1},
                    {"dp", dp->name},
                    {"endpoint", fmt::format("{}:{}", dp->address, dp->push_server.port.value())},
                    {"weight", dp->push_server.max_connections},
                    {"hash", policy::rendezvous_fraction(subject->id, dp->name)},
                    {"score", score}});
  }
  print_list(list,
             {{"RANK", "/rank"},
              {"DP", "/dp"},
              {"ENDPOINT", "/endpoint"},
              {"WEIGHT", "/weight"},
              {"HASH", "/hash", true},
              {"SCORE", "/score"}},
             "/dp", context);
  print_note(
      fmt::format("For {}: the enabled push servers of '{}', the nearest group that has any, "
                  "by score = -weight / ln(hash); when the first is lost the device goes "
                  "down the list.",
                  subject->title, assignment.group),
      context);
  return {};
}

}  // namespace

void add_dp_capacity(CLI::App& parent, Context& context) {
  auto options = std::make_shared<CapacityOptions>();
  CLI::App* command = parent.add_subcommand(
      "capacity", "Whether the push servers carry the devices, also without the largest");
  command
      ->add_option("--devices", options->devices,
                   "Count so many instead of the registry's: GROUP=NUMBER (repeatable)")
      ->type_name("GROUP=NUMBER");
  command->add_option("--dp", options->dp, "Whose registry (default: every push server's)")
      ->type_name("DP");
  command->add_flag("--no-registry", options->no_registry, "Count no registered devices");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_capacity(*options, context); };
  });
}

void add_dp_assign(CLI::App& parent, Context& context) {
  auto options = std::make_shared<SubjectOptions>();
  CLI::App* command =
      parent.add_subcommand("assign", "Which push server a device uses, its spares, and why");
  options->add_to(*command);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_assign(*options, context); };
  });
}

}  // namespace kscpush::cli

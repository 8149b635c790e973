// kscpush dp capacity: do the push servers carry the devices, also when one is lost or added?
#include "policy/capacity.hpp"

#include <algorithm>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/dp/fleet.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "core/numbers.hpp"
#include "policy/assign.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct CapacityOptions {
  std::string dp;
  std::vector<std::string> devices;
  std::string lose;
  std::string add;
  std::vector<std::string> groups;  // of ADD
  std::string max_connections;      // of ADD
  bool no_registry = false;
};

Result<std::uint64_t> parse_number(std::string_view text, const char* what) {
  const auto number = to_number<std::uint64_t>(text);
  if (!number) return fail(ErrorCode::kUsage, "'{}' is not {}", text, what);
  return *number;
}

Result<policy::DevicesByGroup> given_counts(const std::vector<std::string>& texts,
                                            const SiteFile& file) {
  policy::DevicesByGroup counts;
  for (const std::string& text : texts) {
    const std::size_t equals = text.rfind('=');
    const Result<std::uint64_t> count =
        equals == std::string::npos
            ? Result<std::uint64_t>(fail(ErrorCode::kUsage, "no number"))
            : parse_number(std::string_view(text).substr(equals + 1), "a number");
    if (!count) {
      return fail({ErrorCode::kUsage, fmt::format("'{}' is not GROUP=NUMBER", text),
                   "for example --devices \"Managed devices/Berlin=12000\""});
    }
    const std::string group = text.substr(0, equals);
    if (auto known = require_group(file.site, group); !known) return fail(known.error());
    counts[group] += *count;
  }
  return counts;
}

// What the question is about: the devices one by one, or their counts alone.
struct Question {
  std::optional<Fleet> fleet;
  policy::DevicesByGroup counts;
};

Result<Question> ask(const CapacityOptions& options, const SiteFile& file, const Context& context) {
  Question question;
  if (!options.devices.empty()) {
    auto counts = given_counts(options.devices, file);
    if (!counts) return fail(counts.error());
    question.counts = std::move(*counts);
    return question;
  }
  if (options.no_registry) return question;
  auto fleet = Fleet::from_registry(file, options.dp, context);
  if (!fleet) {
    if (!options.dp.empty()) return fail(fleet.error());
    print_warning(within("no devices are counted", fleet.error()), context);
    return question;
  }
  question.counts = fleet->counts();
  question.fleet = std::move(*fleet);
  return question;
}

// The site as it would be.
Result<site::Site> changed_site(const CapacityOptions& options, const SiteFile& file) {
  site::Site site = file.site;
  if (!options.lose.empty()) {
    const auto lost = choose_distribution_point(file, options.lose);
    if (!lost) return fail(lost.error());
    if (!(*lost)->push_server.enabled) {
      return fail(
          {ErrorCode::kUsage,
           fmt::format("the push server of '{}' is off: nothing is lost with it", options.lose),
           ""});
    }
    std::erase_if(site.distribution_points,
                  [&](const auto& dp) { return dp.name == options.lose; });
  }
  if (options.add.empty()) return site;
  if (file.site.find_distribution_point(options.add) != nullptr) {
    return fail(ErrorCode::kConflict, "there is a distribution point '{}' already", options.add);
  }
  site::DistributionPoint added;
  added.name = options.add;
  added.push_server.enabled = true;
  if (!options.max_connections.empty()) {
    const auto number = parse_number(options.max_connections, "a number of connections");
    if (!number) return fail(number.error());
    if (*number == 0 || *number > 10'000'000) {
      return fail(ErrorCode::kUsage, "'{}' is not a number of connections",
                  options.max_connections);
    }
    added.push_server.max_connections = static_cast<std::uint32_t>(*number);
  }
  for (const std::string& group : options.groups) {
    if (auto known = require_group(site, group); !known) return fail(known.error());
    added.scope_groups.push_back({group, {}});
  }
  if (added.scope_groups.empty()) added.scope_groups.push_back({std::string(site::kRootGroup), {}});
  site.distribution_points.push_back(std::move(added));
  return site;
}

json row_of(const policy::SharingGroup& group, const policy::PointLoad& point,
            const std::optional<policy::Placements>& placed) {
  const policy::ServerLoad* const load = placed ? placed->load_of(*point.dp) : nullptr;
  json row{{"group", group.group},
           {"dp", point.dp->name},
           {"devices", nullptr},
           {"bound", nullptr},
           {"expected_devices", point.expected},
           {"max_connections", point.capacity},
           {"max_devices", point.dp->max_devices},
           {"within_yardstick", point.within_yardstick()},
           {"within_gateway", nullptr},
           {"group_devices", group.devices},
           {"group_capacity", group.capacity},
           {"group_fits", group.fits()},
           {"survives_loss", group.survives_loss()}};
  if (load != nullptr) {
    row["devices"] = load->devices;
    row["bound"] = load->bound;
  }
  if (point.dp->connection_gateway.enabled) row["within_gateway"] = point.within_gateway();
  return row;
}

void print_rows(const policy::Capacity& all, const std::optional<policy::Placements>& placed,
                const Context& context) {
  json list = json::array();
  for (const policy::SharingGroup& group : all.groups) {
    for (const policy::PointLoad& point : group.points) {
      list.push_back(row_of(group, point, placed));
    }
  }
  print_list(list,
             {{"GROUP", "/group"},
              {"DP", "/dp"},
              {"DEVICES", "/devices"},
              {"EXPECTED", "/expected_devices"},
              {"TAKES AT MOST", "/bound", true},
              {"MAX CONNECTIONS", "/max_connections"},
              {"HARDWARE FITS", "/within_yardstick"},
              {"GATEWAY FITS", "/within_gateway", true},
              {"GROUP FITS", "/group_fits"},
              {"SURVIVES LOSS OF LARGEST", "/survives_loss"}},
             "/dp", context);
}

void print_advice(const policy::Capacity& all, const Context& context) {
  for (const policy::SharingGroup& group : all.groups) {
    const auto advice = policy::points_advice(group.devices);
    print_note(
        advice.acceptable == 0
            ? fmt::format("'{}': {} devices; below 300 in one network segment need no distribution "
                          "point of their own.",
                          group.group, group.devices)
            : fmt::format("'{}': {} devices in one network segment ask for {} distribution points "
                          "at least, {} recommended; {} when workstations serve. There are {}.",
                          group.group, group.devices, advice.acceptable, advice.recommended,
                          advice.workstations, group.points.size()),
        context);
  }
  for (const auto& [group, count] : all.without_push_server) {
    print_note(fmt::format("'{}': {} devices that no enabled push server serves.", group, count),
               context);
  }
}

// What the bound does to devices, where it does anything.
void print_overflow(const policy::Placements& placed, const Context& context) {
  const auto full =
      static_cast<std::uint64_t>(std::ranges::count(placed.of, policy::Placements::kFull));
  if (placed.overflowed > full) {
    print_note(fmt::format("{} devices use a spare, as their first choice is full.",
                           placed.overflowed - full),
               context);
  }
  if (full > 0) {
    print_note(fmt::format("{} devices find no push server that has a connection left.", full),
               context);
  }
}

std::uint64_t expected_of(const policy::Capacity& all, const std::string& name) {
  const auto found = std::ranges::find(all.points, name, [](const auto& p) { return p.dp->name; });
  return found == all.points.end() ? 0 : found->expected;
}

std::string moves_text(const CapacityOptions& options, const policy::Capacity& before,
                       const policy::Capacity& after, const std::optional<std::uint64_t>& moved,
                       std::uint64_t devices) {
  const std::uint64_t fair = (options.lose.empty() ? 0 : expected_of(before, options.lose)) +
                             (options.add.empty() ? 0 : expected_of(after, options.add));
  std::vector<std::string> what;
  if (!options.lose.empty()) what.push_back(fmt::format("without '{}'", options.lose));
  if (!options.add.empty()) what.push_back(fmt::format("with '{}'", options.add));
  return fmt::format("As it would be {}: {} {} of {} devices move; the fair share is {}.",
                     fmt::join(what, " and "), moved ? "exactly" : "about", moved.value_or(fair),
                     devices, fair);
}

Status run_capacity(const CapacityOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto question = ask(options, *file, context);
  if (!question) return fail(question.error());
  const auto site = changed_site(options, *file);
  if (!site) return fail(site.error());
  const policy::Capacity after = policy::capacity(*site, question->counts);
  std::optional<policy::Placements> placed;
  if (question->fleet) placed = policy::place(*site, question->fleet->facts());
  print_rows(after, placed, context);
  if (placed) print_overflow(*placed, context);
  print_advice(after, context);
  if (options.lose.empty() && options.add.empty()) return {};
  std::optional<std::uint64_t> moved;
  if (placed) {
    moved = policy::moved(policy::place(file->site, question->fleet->facts()), *placed);
  }
  std::uint64_t devices = 0;
  for (const auto& [group, count] : question->counts) devices += count;
  print_note(
      moves_text(options, policy::capacity(file->site, question->counts), after, moved, devices),
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
  command
      ->add_option("--lose", options->lose, "As if this one were lost, and how many devices move")
      ->type_name("DP");
  CLI::Option* const add =
      command
          ->add_option("--add", options->add,
                       "As if there were one more of this name, and how many devices move")
          ->type_name("NAME");
  command
      ->add_option("--group", options->groups,
                   "A group that the added one serves (repeatable; default: Managed devices)")
      ->type_name("GROUP")
      ->needs(add);
  command
      ->add_option("--max-connections", options->max_connections,
                   "Of the added one (default: 50000)")
      ->type_name("N")
      ->needs(add);
  command->add_flag("--no-registry", options->no_registry, "Count no registered devices");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_capacity(*options, context); };
  });
}

}  // namespace kscpush::cli

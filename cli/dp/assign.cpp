// kscpush dp assign: which push server a device uses, and why.
#include "policy/assign.hpp"

#include <cmath>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/dp/fleet.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

// Where the device is placed among all of the registry; nothing when there is no registry to ask.
struct Placed {
  policy::Placements all;
  std::int32_t at = policy::Placements::kNone;
};

std::optional<Placed> place_subject(const SubjectOptions& options, const Subject& subject,
                                    const SiteFile& file, const Context& context) {
  if (subject.id.empty()) return std::nullopt;
  auto fleet = Fleet::from_registry(file, options.dp, context);
  if (!fleet) return std::nullopt;
  const std::size_t index = fleet->assume(subject);
  Placed placed{policy::place(file.site, fleet->facts()), 0};
  placed.at = placed.all.of[index];
  return placed;
}

std::string full(const policy::ServerLoad& load) {
  const std::uint64_t most = load.dp->push_server.max_connections;
  if (load.devices >= most) return fmt::format("full: {} of {}", load.devices, most);
  return fmt::format("full: {} of {}, {} times its fair share", load.bound, load.bound,
                     policy::kLoadBound);
}

// Why the push server at this place of the device's order has it, or has not.
std::string reason(const site::DistributionPoint& dp, const std::optional<Placed>& placed,
                   bool first, bool& found) {
  if (!placed) return first ? "first choice" : "spare";
  const policy::ServerLoad& load = *placed->all.load_of(dp);
  if (placed->at >= 0 && placed->all.loads[static_cast<std::size_t>(placed->at)].dp == &dp) {
    found = true;
    return fmt::format("{}: holds {} of {}", first ? "first choice" : "the first that is not full",
                       load.devices, load.bound);
  }
  if (found) return "spare";
  return (first ? "would be first, but it is " : "") + full(load);
}

json to_json(const policy::Assignment& assignment, const std::string& id,
             const std::optional<Placed>& placed) {
  json list = json::array();
  bool found = false;
  for (const auto& [dp, score] : assignment.ranked) {
    const bool first = list.empty();
    const bool before = found;
    std::string why = reason(*dp, placed, first, found);
    list.push_back(
        {{"rank", list.size() + 1},
         {"dp", dp->name},
         {"endpoint", fmt::format("{}:{}", dp->address, dp->push_server.port.value())},
         {"weight", dp->push_server.max_connections},
         {"hash", policy::rendezvous_fraction(id, dp->name)},
         {"score", std::round(score * 1000) / 1000},  // for people; ties are decided before
         {"assigned", placed ? found && !before : first},
         {"why", std::move(why)}});
  }
  return list;
}

Status run_assign(const SubjectOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto subject = find_subject(options, *file, context);
  if (!subject) return fail(subject.error());
  const auto assignment = policy::assign(file->site, subject->facts());
  if (assignment.ranked.empty()) {
    return fail({ErrorCode::kNotFound,
                 fmt::format("no distribution point in reach of group '{}' runs a push server",
                             subject->group),
                 "switch one on: kscpush dp enable"});
  }
  const auto placed = place_subject(options, *subject, *file, context);
  print_list(to_json(assignment, subject->id, placed),
             {{"RANK", "/rank"},
              {"DP", "/dp"},
              {"ENDPOINT", "/endpoint"},
              {"WEIGHT", "/weight"},
              {"HASH", "/hash", true},
              {"SCORE", "/score"},
              {"WHY", "/why"}},
             "/dp", context);
  print_note(fmt::format("For {}: the enabled push servers of '{}', the nearest group that has any "
                         "(or of the device's network location), by score = -weight / ln(hash). It "
                         "uses the first that is not full; when that is lost it goes down the "
                         "list.{}",
                         subject->title, assignment.group,
                         placed ? "" : " No registry was asked which are full."),
             context);
  if (placed && placed->at == policy::Placements::kFull) {
    print_note("All of them are full: add a push server (kscpush dp capacity).", context);
  }
  return {};
}

}  // namespace

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

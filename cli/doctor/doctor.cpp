// kscpush doctor: whether a device can be reached, and whether a host can be a push server; what is
// wrong, and the command that mends it.
#include <algorithm>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/doctor/device.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct DoctorOptions {
  std::string device;
  std::string dp;
};

void print_findings(const Findings& findings, std::ostream& out) {
  std::size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.subject.size());
  for (const Finding& finding : findings) {
    out << fmt::format("{:<7}  {:<{}}  {}\n", to_string(finding.level), finding.subject, width,
                       finding.what);
    if (!finding.mend.empty())
      out << fmt::format("{:<9}{:<{}}  > {}\n", "", "", width, finding.mend);
  }
}

// The exit code alone says it once more.
Status verdict(bool well) {
  if (well) return {};
  return fail(Error{});
}

bool has_errors(const Findings& findings) {
  return std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.level == Finding::Level::kError; });
}

void append(Findings& all, Findings more) {
  std::ranges::move(more, std::back_inserter(all));
}

// Its push server may run all the same: what cannot be asked is then the finding.
Findings check_admin_api(const policy::ServerState& server, const site::DistributionPoint& dp,
                         const site::ServerPaths& paths) {
  if (server.problem.empty()) return {};
  return {{Finding::Level::kError, "admin API", server.problem,
           fmt::format("{} must hold the token of the push server at {}:{}, and this user must be "
                       "able to read it",
                       paths.admin_token.string(), dp.push_server.admin.listen.host,
                       dp.push_server.admin.listen.port.value())}};
}

Status run_host(const SiteFile& file, const std::string& name, Context& context) {
  const auto dp = choose_distribution_point(file, name);
  if (!dp) return fail(dp.error());
  const auto paths = site::server_paths(**dp, file.folder());
  const policy::ServerState server = find_server(file, **dp);
  const WallTime now = context.clock.wall();
  const Host host;
  Findings all;
  const bool serving = server.running || own_server_listens(host, **dp, paths);
  append(all, check_admin_api(server, **dp, paths));
  append(all, check_ports(host, **dp, serving));
  append(all, check_descriptors(host, **dp, serving));
  append(all, check_backlog(host));
  append(all, check_certificates(**dp, paths, now));
  append(all, check_clock(paths, now));
  append(all, check_disk(**dp, paths));
  append(all, check_names(file.site, **dp));
  append(all, check_firewall(host, **dp));
  const bool well = !has_errors(all);
  if (prints_text(context)) {
    print_findings(all, context.out);
  } else {
    print_object({{"distribution_point", (*dp)->name}, {"well", well}, {"findings", to_json(all)}},
                 {}, "/distribution_point", context);
  }
  return verdict(well);
}

Findings findings_of(const policy::Diagnosis& diagnosis) {
  Findings findings;
  for (const policy::Gap& gap : diagnosis.gaps) {
    findings.push_back({gap.stops ? Finding::Level::kError : Finding::Level::kWarning, "push",
                        gap.what, gap.mend});
  }
  return findings;
}

json operations_of(const policy::Diagnosis& diagnosis) {
  json list = json::array();
  for (const policy::Reachable& one : diagnosis.operations) {
    list.push_back({{"operation", to_string(one.operation)},
                    {"works", to_string(one.when)},
                    {"way", to_string(one.way)},
                    {"note", one.note.empty() ? json() : json(one.note)}});
  }
  return list;
}

Status run_device(const SiteFile& file, const DoctorOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.device);
  if (!id) return fail(id.error());
  const auto examined = examine_device(*id, file, options.dp, context);
  if (!examined) return fail(examined.error());
  const policy::Diagnosis& diagnosis = examined->diagnosis;
  const Findings findings = findings_of(diagnosis);
  const json operations = operations_of(diagnosis);
  if (!prints_text(context)) {
    print_object(
        {{"device", id->str()},
         {"group", examined->group.empty() ? json() : json(examined->group)},
         {"distribution_point", diagnosis.dp == nullptr ? json() : json(diagnosis.dp->name)},
         {"well", diagnosis.all_now()},
         {"operations", operations},
         {"findings", to_json(findings)}},
        {}, "/device", context);
    return verdict(diagnosis.all_now());
  }
  print_list(operations,
             {{"OPERATION", "/operation"}, {"WORKS", "/works"}, {"BY", "/way"}, {"NOTE", "/note"}},
             "/operation", context);
  if (!findings.empty()) context.out << '\n';
  print_findings(findings, context.out);
  return verdict(diagnosis.all_now());
}

Status run_doctor(const DoctorOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  return options.device.empty() ? run_host(*file, options.dp, context)
                                : run_device(*file, options, context);
}

}  // namespace

void add_doctor(CLI::App& parent, Context& context) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = parent.add_subcommand(
      "doctor", "What is wrong, and the command that mends it: of a device, else of this host");
  command
      ->add_option("device", options->device,
                   "Can it be reached now, for what, by which way, and if not, what is missing "
                   "(default: look at this host)")
      ->type_name("DEVICE");
  command
      ->add_option("--dp", options->dp,
                   "Distribution point (default: the only one; of a device: all)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_doctor(*options, context); };
  });
}

}  // namespace kscpush::cli

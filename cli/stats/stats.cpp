// kscpush stats: what devices say of themselves and their applications.
#include <algorithm>
#include <array>
#include <functional>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/stats/exposition.hpp"
#include "cli/support/operation.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

const std::vector<Column> kColumns{{"LOAD", "/shown/load"},
                                   {"MEMORY", "/shown/memory"},
                                   {"FULLEST DISK", "/shown/disk"},
                                   {"UPTIME", "/shown/uptime"},
                                   {"AGENT", "/result/agent/version"},
                                   {"OS", "/result/host/os/name"},
                                   {"KERNEL", "/result/host/kernel", /*wide_only=*/true},
                                   {"APPLICATIONS", "/shown/applications"}};

const std::vector<Column> kFields{{"Device", "/device"},
                                  {"Host", "/result/host/hostname"},
                                  {"System", "/result/host/os/name"},
                                  {"Kernel", "/result/host/kernel"},
                                  {"Agent", "/result/agent/version"},
                                  {"Uptime", "/shown/uptime"},
                                  {"Processors", "/result/host/cpus"},
                                  {"Load", "/shown/load"},
                                  {"Memory", "/shown/memory"}};
const std::vector<Column> kDisks{
    {"MOUNT", "/mount"}, {"TYPE", "/type"}, {"SIZE", "/shown/size"}, {"USED", "/shown/used"}};
const std::vector<Column> kInterfaces{{"INTERFACE", "/name"},
                                      {"RECEIVED", "/shown/rx"},
                                      {"SENT", "/shown/tx"},
                                      {"ERRORS", "/shown/errors"}};
const std::vector<Column> kApplications{
    {"APPLICATION", "/name"}, {"VALUES", "/shown/values"}, {"ERROR", "/error"}};

struct StatsOptions {
  OperationOptions operation;
  bool prometheus = false;
};

double number(const json& object, const char* pointer) {
  const json::json_pointer path(pointer);
  const bool there = object.contains(path) && object.at(path).is_number();
  return there ? object.at(path).get<double>() : 0;
}

std::string bytes(double count) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; count >= 1024 && unit + 1 < kUnits.size(); ++unit) count /= 1024;
  return fmt::format("{:.{}f} {}", count, unit == 0 || count >= 100 ? 0 : 1, kUnits.at(unit));
}

std::string share(double used, double total) {
  return total <= 0 ? "-" : fmt::format("{:.0f} %", used * 100 / total);
}

std::string duration(double seconds) {
  const auto minutes = static_cast<std::int64_t>(seconds) / 60;
  if (minutes < 60) return fmt::format("{} min", minutes);
  if (minutes < 48 * 60) return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
  return fmt::format("{} days", minutes / 1440);
}

json list_of(const json& result, const char* pointer) {
  const json::json_pointer path(pointer);
  const bool there = result.contains(path) && result.at(path).is_array();
  json list = there ? result.at(path) : json::array();
  json objects = json::array();
  for (json& item : list) {
    if (item.is_object()) objects.push_back(std::move(item));
  }
  return objects;
}

std::string fullest_disk(const json& result) {
  std::string shown;
  double most = -1;
  for (const json& disk : list_of(result, "/host/disks")) {
    const double total = number(disk, "/total");
    const double used = total - number(disk, "/available");
    if (total <= 0 || used / total <= most) continue;
    most = used / total;
    shown = fmt::format("{} {}", disk.value("mount", "?"), share(used, total));
  }
  return shown;
}

// What a table has of a device's answer, in words.
json shown(const json& result) {
  const double total = number(result, "/host/memory/total");
  const double used = total - number(result, "/host/memory/available");
  const json applications = list_of(result, "/applications");
  const auto failed = std::count_if(applications.begin(), applications.end(),
                                    [](const json& item) { return item.contains("error"); });
  return {
      {"load", fmt::format("{:.2f} {:.2f} {:.2f}", number(result, "/host/load/0"),
                           number(result, "/host/load/1"), number(result, "/host/load/2"))},
      {"memory", fmt::format("{} of {}", share(used, total), bytes(total))},
      {"disk", fullest_disk(result)},
      {"uptime", duration(number(result, "/host/uptime_s"))},
      {"applications", failed == 0 ? fmt::format("{}", applications.size())
                                   : fmt::format("{}, {} failed", applications.size(), failed)}};
}

void print_part(json rows, const std::vector<Column>& columns,
                const std::function<json(const json&)>& show, const Context& context) {
  if (rows.empty()) return;
  for (json& row : rows) row["shown"] = show(row);
  context.out << '\n';
  print_list(rows, columns, columns.front().pointer, context);
}

void print_one(const json& row, const Context& context) {
  print_object(row, kFields, "/device", context);
  const json& result = row.at("result");
  print_part(
      list_of(result, "/host/disks"), kDisks,
      [](const json& disk) -> json {
        const double total = number(disk, "/total");
        return {{"size", bytes(total)}, {"used", share(total - number(disk, "/available"), total)}};
      },
      context);
  print_part(
      list_of(result, "/host/network"), kInterfaces,
      [](const json& one) -> json {
        return {{"rx", bytes(number(one, "/rx_bytes"))},
                {"tx", bytes(number(one, "/tx_bytes"))},
                {"errors",
                 static_cast<std::int64_t>(number(one, "/rx_errors") + number(one, "/tx_errors"))}};
      },
      context);
  print_part(
      list_of(result, "/applications"), kApplications,
      [](const json& application) -> json {
        const bool text = application.contains("metrics");
        const auto values = application.find("values");
        return {{"values", text                          ? json("Prometheus metrics (--prometheus)")
                           : values == application.end() ? json()
                                                         : json(values->dump())}};
      },
      context);
}

Status run_stats(const StatsOptions& options, Context& context) {
  if (options.prometheus && !options.operation.wait) {
    return fail({ErrorCode::kUsage, "--prometheus needs the answers", "leave out --no-wait"});
  }
  auto report = run_operation(
      {.kind = "stats", .what = "collect statistics", .has_reasons = !options.prometheus},
      options.operation, context);
  if (!report) return fail(report.error());
  if (options.prometheus) {
    context.out << exposition(report->devices);
    context.out.flush();
    return report->outcome;
  }
  const bool one = report->rollout.is_null();
  if (prints_text(context)) {
    for (json& row : report->devices) {
      if (row.at("result").is_object()) row["shown"] = shown(row.at("result"));
    }
  }
  if (one && prints_text(context) && report->devices.front().at("state") == "completed") {
    print_one(report->devices.front(), context);
  } else {
    print_operation(*report, kColumns, context);
  }
  return report->outcome;
}

}  // namespace

void add_stats(CLI::App& parent, Context& context) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App* command = parent.add_subcommand(
      "stats", "Show the load, memory, disks, network and applications of devices");
  add_target_options(*command, options->operation.target);
  command->add_flag("--prometheus", options->prometheus,
                    "In Prometheus' text format, each series with the label 'device'");
  add_operation_options(*command, options->operation);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_stats(*options, context); };
  });
}

}  // namespace kscpush::cli

#include "cli/task/task_view.hpp"

namespace kscpush::cli {

using nlohmann::json;

void add_task_targets(CLI::App& command, TargetOptions& options) {
  add_target_options(command, options);
  command.get_option("device")->description("Device ids, and behind them the task");
}

Result<std::string> take_task(TargetOptions& options) {
  const bool others =
      !options.group.empty() || !options.select.empty() || options.all || !options.from.empty();
  if (options.devices.size() < (others ? 1 : 2)) {
    return fail({ErrorCode::kUsage, "which task, of which devices?",
                 "the task comes last: kscpush task start pc-1 backup; 'kscpush task list DEVICE' "
                 "tells which there are"});
  }
  std::string task = std::move(options.devices.back());
  options.devices.pop_back();
  return task;
}

void print_listed(const OperationReport& report, const std::string& list,
                  std::vector<Column> columns, const Context& context) {
  if (!prints_text(context) || !report.waited) return print_operation(report, {}, context);
  json rows = json::array();
  for (const json& device : report.devices) {
    const json& result = device.at("result");
    const bool listed = device.at("state") == "completed" && result.is_object() &&
                        result.contains(list) && result.at(list).is_array();
    if (!listed) {
      rows.push_back({{"device", device.at("device")}, {"reason", device.at("reason")}});
      continue;
    }
    for (json row : result.at(list)) {
      if (!row.is_object()) continue;
      row["device"] = device.at("device");
      rows.push_back(std::move(row));
    }
  }
  columns.insert(columns.begin(), {"DEVICE", "/device"});
  columns.push_back({"REASON", "/reason"});
  print_list(rows, columns, "/device", context);
}

}  // namespace kscpush::cli

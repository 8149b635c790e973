#include "cli/support/operation.hpp"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "cli/app.hpp"
#include "cli/push/push_view.hpp"
#include "cli/rollout/rollout_view.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{15};
constexpr std::size_t kPage = 1000;
constexpr std::size_t kMostLookedUp = 100;  // devices of which the server is asked why

json body_of(const Operation& operation) {
  json body{{"kind", operation.kind}};
  if (!operation.params.empty()) body["params"] = operation.params;
  return body;
}

std::string why(const json& push) {
  std::string reason = reason_of(push);
  if (!reason.empty()) return reason;
  const auto state = push.at("state").get<std::string>();
  if (state == "stored") {
    return "waits for the device until " + push.at("expires").get<std::string>();
  }
  const auto known = push_state_from_name(state).value_or(PushState::kAccepted);
  return is_final(known) ? "" : "no answer yet";
}

json row_of(const json& push) {
  const json& times = push.at("times");
  const auto state = push.at("state").get<std::string>();
  const std::string reason = why(push);
  const bool is_over = is_final(push_state_from_name(state).value_or(PushState::kAccepted));
  return {{"device", push.at("device")},
          {"push", push.at("id")},
          {"state", state},
          {"acked", times.value("acked", json())},
          {"ended", is_over ? times.value(state, json()) : json()},
          {"reason", reason.empty() ? json() : json(reason)},
          {"result", push.at("result")}};
}

json refused_row(const std::string& device, const std::string& reason) {
  return {{"device", device}, {"push", nullptr},  {"state", "refused"}, {"acked", nullptr},
          {"ended", nullptr}, {"reason", reason}, {"result", nullptr}};
}

// Those of the ids asked for that got no push: it was for the server to say when their turn came.
void add_refused(const json& body, const std::set<std::string>& pushed, const ApiClient& api,
                 json& rows) {
  std::size_t asked = 0;
  for (const json& id : body.value("devices", json::array())) {
    const auto device = id.get<std::string>();
    if (pushed.contains(device)) continue;
    std::string reason = "revoked, out of scope, or too many pushes wait for it";
    if (++asked <= kMostLookedUp) {
      const auto found = api.get("/v1/devices/" + device);
      if (!found && found.error().code == ErrorCode::kNotFound) reason = found.error().message;
    }
    rows.push_back(refused_row(device, reason));
  }
}

Result<json> rows_of(const json& body, const std::string& rollout, const ApiClient& api) {
  json rows = json::array();
  std::set<std::string> pushed;
  json next;
  do {
    const std::string after =
        next.is_null() ? "" : fmt::format("&after={}", next.get<std::int64_t>());
    const auto page =
        api.get(fmt::format("/v1/pushes?rollout={}&limit={}{}", rollout, kPage, after));
    if (!page) return fail(page.error());
    for (const json& push : page->at("pushes")) {
      pushed.insert(push.at("device").get<std::string>());
      rows.push_back(row_of(push));
    }
    next = page->at("next");
  } while (!next.is_null());
  add_refused(body, pushed, api, rows);
  std::sort(rows.begin(), rows.end(),
            [](const json& a, const json& b) { return a.at("device") < b.at("device"); });
  return rows;
}

Status outcome_of_many(const json& rollout, const json& rows, bool has_reasons) {
  if (auto halted = rollout_outcome(rollout); !halted && rollout.at("state") == "halted") {
    return halted;
  }
  const auto completed = std::count_if(
      rows.begin(), rows.end(), [](const json& row) { return row.at("state") == "completed"; });
  const auto targets = rollout.at("targets").get<std::int64_t>();
  if (completed == targets) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{} of {} devices have not completed it", targets - completed, targets),
               fmt::format("{}'kscpush push list --rollout {}' shows {}",
                           has_reasons ? "each has its reason beside it; " : "",
                           rollout.at("id").get<std::string>(),
                           has_reasons ? "how it goes on" : "why, and how it goes on")});
}

// The server's hint is to give a time to live, which an operation has no option for.
Error of_operation(Error error) {
  if (error.code == ErrorCode::kOffline) {
    error.hint = "'kscpush device list' shows when it was last seen";
  }
  return error;
}

Result<OperationReport> run_on_one(const json& body, const OperationOptions& options,
                                   const ApiClient& api, const Context& context) {
  const std::string& device = options.target.devices.front();
  auto push = api.post(fmt::format("/v1/devices/{}/pushes", device), body, kTimeout);
  if (!push) return fail(of_operation(push.error()));
  const auto id = push->at("id").get<std::string>();
  OperationReport report{.waited = options.wait};
  if (options.wait) {
    const WaitOptions wait{"completed", options.timeout_s};
    push = wait_for_push(api, id, wait, context);
    if (!push) return fail(push.error());
    report.outcome = outcome(api, *push, wait);
  } else {
    print_note(fmt::format("'kscpush push show {} --wait completed' waits for the answer", id),
               context);
  }
  report.devices.push_back(row_of(*push));
  return report;
}

Result<OperationReport> run_on_many(json body, const Operation& operation,
                                    const OperationOptions& options, const ApiClient& api,
                                    const Context& context) {
  const auto begun =
      begin_rollout({body, operation.what}, options.target, options.pace, api, context);
  if (!begun) return fail(begun.error());
  const auto id = begun->at("id").get<std::string>();
  OperationReport report{.rollout = *begun, .waited = options.wait};
  if (!options.wait) {
    print_note(fmt::format("'kscpush rollout watch {}' shows how far it is", id), context);
    return report;
  }
  auto watched = watch_rollout(api, id, context, {PushState::kCompleted, options.timeout_s});
  if (!watched) return fail(watched.error());
  auto rows = rows_of(body, id, api);
  if (!rows) return fail(rows.error());
  const bool has_reasons = operation.has_reasons && context.output_format() != Format::kName;
  report.outcome = outcome_of_many(*watched, *rows, has_reasons);
  report.rollout = std::move(*watched);
  report.devices = std::move(*rows);
  return report;
}

// "5 devices: 4 completed, 1 failed"
std::string summary(const json& rows) {
  std::map<std::string, std::size_t> counts;
  for (const json& row : rows) ++counts[row.at("state").get<std::string>()];
  std::vector<std::string> parts;
  for (const auto& [state, count] : counts) parts.push_back(fmt::format("{} {}", count, state));
  return fmt::format("{} device{}: {}", rows.size(), rows.size() == 1 ? "" : "s",
                     fmt::join(parts, ", "));
}

}  // namespace

void add_operation_options(CLI::App& command, OperationOptions& options) {
  add_pace_options(command, options.pace);
  command.add_flag("--wait,!--no-wait", options.wait,
                   "Wait for the devices' answers (default), or only send");
  command
      .add_option(
          "--timeout", options.timeout_s,
          fmt::format("Seconds to wait for the answer, of many for the next (default: {:g})",
                      options.timeout_s))
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 172'800.0));
  command.add_option("--dp", options.dp, "Distribution point (default: the only one)")
      ->type_name("DP");
}

Result<OperationReport> run_operation(const Operation& operation, const OperationOptions& options,
                                      const Context& context) {
  const auto targets = target_fields(options.target);
  if (!targets) return fail(targets.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  json body = body_of(operation);
  if (options.target.devices.size() == 1) return run_on_one(body, options, *api, context);
  body.update(*targets);
  return run_on_many(std::move(body), operation, options, *api, context);
}

void print_operation(const OperationReport& report, const std::vector<Column>& columns,
                     const Context& context) {
  const bool many = !report.rollout.is_null();
  if (many && !report.waited) return print_rollout(report.rollout, context);
  if (!many && !prints_text(context)) {
    return print_object(report.devices.front(), {}, "/device", context);
  }
  std::vector<Column> all{{"DEVICE", "/device"}, {"STATE", "/state"}, {"ACKED", "/acked"}};
  all.insert(all.end(), columns.begin(), columns.end());
  all.push_back({"PUSH", "/push", /*wide_only=*/true});
  all.push_back({"REASON", "/reason"});
  print_list(report.devices, all, "/device", context);
  if (many && prints_text(context)) context.out << summary(report.devices) << '\n';
  context.out.flush();
}

}  // namespace kscpush::cli

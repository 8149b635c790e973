// kscpush ping: is the device reachable now, and how fast?
#include <algorithm>
#include <ostream>
#include <thread>

#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "cli/support/targets.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct PingOptions {
  TargetOptions targets;
  std::string dp;
  int count = 1;
  double interval_s = 1;
  double timeout_s = 5;
};

std::string milliseconds(const json& value) {
  return value.is_number() ? fmt::format("{:.2f} ms", value.get<double>()) : "none";
}

void print_probe(int number, const json& report, std::ostream& out) {
  if (number == 1) {
    out << fmt::format(
        "{} at {}, connected since {} from {}, {}\n", report.at("device").get<std::string>(),
        report.at("server").get<std::string>(), report.at("connected_since").get<std::string>(),
        report.at("address").get<std::string>(), report.at("protocol").get<std::string>());
  }
  out << fmt::format("seq {}: PUBACK {}", number, milliseconds(report.at("puback_ms")));
  if (report.at("agent").is_string()) {
    out << fmt::format(", agent {} answered in {}", report.at("agent").get<std::string>(),
                       milliseconds(report.at("agent_ms")));
  }
  out << '\n';
  out.flush();
}

void print_summary(const json& probes, int failures, std::ostream& out) {
  std::vector<double> times;
  for (const json& probe : probes) {
    if (probe.at("puback_ms").is_number()) times.push_back(probe.at("puback_ms"));
  }
  out << fmt::format("{} sent, {} answered", static_cast<int>(probes.size()) + failures,
                     probes.size());
  if (!times.empty()) {
    std::ranges::sort(times);
    out << fmt::format("; PUBACK {:.2f} / {:.2f} / {:.2f} ms (least, median, most)", times.front(),
                       times[times.size() / 2], times.back());
  }
  out << '\n';
}

// The server's own deadline comes first; the margin is for the way to it.
constexpr std::chrono::seconds kMargin{5};

std::chrono::milliseconds timeout_of(const PingOptions& options) {
  return std::chrono::milliseconds(static_cast<int>(options.timeout_s * 1000));
}

Status ping_one(const std::string& id, const PingOptions& options, const ApiClient& api,
                Context& context) {
  const bool text =
      context.output_format() != Format::kJson && context.output_format() != Format::kYaml;
  const auto timeout = timeout_of(options);
  json probes = json::array();
  std::optional<Error> failure;
  int failures = 0;
  for (int number = 1; number <= options.count && context.out; ++number) {
    if (number > 1) std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    auto report = api.post(fmt::format("/v1/devices/{}/ping", id),
                           {{"timeout_ms", timeout.count()}}, timeout + kMargin);
    if (!report) {
      const bool may_pass =
          report.error().code == ErrorCode::kOffline || report.error().code == ErrorCode::kNoAnswer;
      if (options.count == 1 || !may_pass) return fail(report.error());
      if (text) context.out << fmt::format("seq {}: {}\n", number, report.error().message);
      failure = report.error();
      ++failures;
      continue;
    }
    (*report)["device"] = id;
    if (text) print_probe(number, *report, context.out);
    probes.push_back(std::move(*report));
  }
  if (!text) {
    print_object(options.count == 1 ? probes.at(0) : probes, {}, "/device", context);
  } else if (options.count > 1) {
    print_summary(probes, failures, context.out);
  }
  if (!failure) return {};
  if (probes.empty()) return fail(*failure);
  return fail({ErrorCode::kPartial, fmt::format("{} of {} pings failed", failures, options.count),
               failure->message});
}

const std::vector<Column> kColumns{{"DEVICE", "/device"},
                                   {"PUBACK MS", "/puback_ms"},
                                   {"AGENT MS", "/agent_ms"},
                                   {"ERROR", "/message"}};

Status ping_many(json body, const PingOptions& options, const ApiClient& api, Context& context) {
  const auto timeout = timeout_of(options);
  body["timeout_ms"] = timeout.count();
  const auto reports = api.post("/v1/ping", body, timeout + kMargin);
  if (!reports) return fail(reports.error());
  const json& answered = reports->at("answered");
  const json& failed = reports->at("failed");
  json rows = answered;
  rows.insert(rows.end(), failed.begin(), failed.end());
  std::sort(rows.begin(), rows.end(),
            [](const json& a, const json& b) { return a.at("device") < b.at("device"); });
  print_list(rows, kColumns, "/device", context);
  if (prints_text(context)) print_summary(answered, static_cast<int>(failed.size()), context.out);
  if (failed.empty()) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{} of {} devices did not answer", failed.size(), rows.size()),
               "the table says why of each"});
}

Status run_ping(const PingOptions& options, Context& context) {
  auto targets = target_fields(options.targets);
  if (!targets) return fail(targets.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  if (options.targets.devices.size() == 1) {
    return ping_one(options.targets.devices.front(), options, *api, context);
  }
  if (options.count == 1) return ping_many(std::move(*targets), options, *api, context);
  return fail({ErrorCode::kUsage, "--count is for one device", "many are pinged once"});
}

}  // namespace

void add_ping(CLI::App& parent, Context& context) {
  auto options = std::make_shared<PingOptions>();
  CLI::App* command = parent.add_subcommand(
      "ping", "Send a QoS 1 probe to devices and time their acknowledgements");
  add_target_options(*command, options->targets);
  command->add_option("-c,--count", options->count, "How many probes of one device (default: 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("-i,--interval", options->interval_s, "Seconds between them (default: 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 3600.0));
  command->add_option("--timeout", options->timeout_s, "Seconds to wait for each (default: 5)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.01, 60.0));
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_ping(*options, context); };
  });
}

}  // namespace kscpush::cli

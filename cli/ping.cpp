// kscpush ping: is the device reachable now, and how fast?
#include <algorithm>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/interrupt.hpp"
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

// What became of the probes of one device so far.
struct Probes {
  json answered = json::array();
  int failures = 0;
  std::optional<Error> failure;  // the last
  bool interrupted = false;

  [[nodiscard]] int sent() const { return static_cast<int>(answered.size()) + failures; }
};

// The error: there is no use in going on.
Result<Probes> probe(const std::string& id, const PingOptions& options, const ApiClient& api,
                     Context& context) {
  const bool text = prints_text(context);
  const auto timeout = timeout_of(options);
  const auto interval = std::chrono::duration<double>(options.interval_s);
  const Interrupt interrupt;
  Probes probes;
  for (int number = 1; number <= options.count && context.out; ++number) {
    const auto pause = number == 1
                           ? std::chrono::milliseconds(0)
                           : std::chrono::duration_cast<std::chrono::milliseconds>(interval);
    auto report = interrupt.wait(pause)
                      ? Result<json>(fail(ErrorCode::kInterrupted, "interrupted"))
                      : api.post(fmt::format("/v1/devices/{}/ping", id),
                                 {{"timeout_ms", timeout.count()}}, timeout + kMargin);
    if (report) {
      (*report)["device"] = id;
      if (text) print_probe(number, *report, context.out);
      probes.answered.push_back(std::move(*report));
      continue;
    }
    probes.interrupted = report.error().code == ErrorCode::kInterrupted;
    if (probes.interrupted) break;
    const bool may_pass =
        report.error().code == ErrorCode::kOffline || report.error().code == ErrorCode::kNoAnswer;
    if (options.count == 1 || !may_pass) return fail(report.error());
    if (text) context.out << fmt::format("seq {}: {}\n", number, report.error().message);
    probes.failure = report.error();
    ++probes.failures;
  }
  return probes;
}

Status ping_one(const std::string& id, const PingOptions& options, const ApiClient& api,
                Context& context) {
  const auto probes = probe(id, options, api, context);
  if (!probes) return fail(probes.error());
  const bool one = options.count == 1;
  if (prints_text(context)) {
    if (!one) print_summary(probes->answered, probes->failures, context.out);
  } else if (!one) {
    print_list(probes->answered, {}, "/device", context);
  } else if (!probes->answered.empty()) {
    print_object(probes->answered.at(0), {}, "/device", context);
  }
  context.out.flush();
  if (probes->interrupted) {
    return fail(ErrorCode::kInterrupted, "interrupted after {} of {} pings", probes->sent(),
                options.count);
  }
  if (!probes->failure) return {};
  if (probes->answered.empty()) return fail(*probes->failure);
  return fail({ErrorCode::kPartial,
               fmt::format("{} of {} pings failed", probes->failures, options.count),
               probes->failure->message});
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
               "each has its error beside it"});
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

// kscpush ping: is the device reachable now, and how fast?
#include <algorithm>
#include <charconv>
#include <ostream>
#include <thread>

#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct PingOptions {
  std::string device;
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

Status run_ping(const PingOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.device);
  if (!id) return fail(id.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());

  const bool text =
      context.output_format() != Format::kJson && context.output_format() != Format::kYaml;
  const auto timeout = std::chrono::milliseconds(static_cast<int>(options.timeout_s * 1000));
  json probes = json::array();
  std::optional<Error> failure;
  int failures = 0;
  for (int number = 1; number <= options.count; ++number) {
    if (number > 1) std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    // The server's own deadline comes first; the margin is for the way to it.
    auto report = api->post(fmt::format("/v1/devices/{}/ping", id->str()),
                            {{"timeout_ms", timeout.count()}}, timeout + std::chrono::seconds(5));
    if (!report) {
      const bool may_pass =
          report.error().code == ErrorCode::kOffline || report.error().code == ErrorCode::kNoAnswer;
      if (options.count == 1 || !may_pass) return fail(report.error());
      if (text) context.out << fmt::format("seq {}: {}\n", number, report.error().message);
      failure = report.error();
      ++failures;
      continue;
    }
    (*report)["device"] = id->str();
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

}  // namespace

void add_ping(CLI::App& parent, Context& context) {
  auto options = std::make_shared<PingOptions>();
  CLI::App* command =
      parent.add_subcommand("ping", "Send a QoS 1 probe to a device and time its acknowledgement");
  command->add_option("device", options->device, "Device id")->type_name("DEVICE")->required();
  command->add_option("-c,--count", options->count, "How many probes (default: 1)")
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

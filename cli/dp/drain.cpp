// kscpush dp drain: empties a running push server before it is stopped, or lets devices in again.
#include <ostream>
#include <thread>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/plan_view.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/output.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/site_file.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{15};
constexpr std::chrono::milliseconds kLookEvery{500};
// Beyond the time that was given: devices that are slow to hear it.
constexpr std::chrono::seconds kGrace{10};

struct DrainOptions {
  std::string dp;
  int seconds = 60;
  bool cancel = false;
  bool wait = false;
};

std::uint64_t connected(const json& server) {
  return server.value("connected", std::uint64_t{0});
}

// Until nobody is left; devices that came through before it began count down to none.
Status wait_until_empty(const ApiClient& client, const DrainOptions& options, std::uint64_t before,
                        const Context& context) {
  const MonoTime deadline = context.clock.now() + std::chrono::seconds(options.seconds) + kGrace;
  Progress progress("devices sent elsewhere", before, context);
  for (;;) {
    const auto server = client.get("/v1/server");
    if (!server) return fail(server.error());
    const std::uint64_t left = connected(*server);
    if (left == 0) return {};
    if (!server->value("draining", false)) {
      return fail({ErrorCode::kFailed, "somebody has let devices in again meanwhile", ""});
    }
    if (context.clock.now() > deadline) {
      return fail({ErrorCode::kNoAnswer, fmt::format("{} still connected", count_devices(left)),
                   "'kscpush device list' shows them"});
    }
    progress.at(before - std::min(left, before));
    std::this_thread::sleep_for(kLookEvery);
  }
}

Status run_drain(const DrainOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto client = api_client(**dp, site::server_paths(**dp, file->folder()));
  if (!client) return fail(client.error());
  const auto server =
      options.cancel ? client->remove("/v1/server/drain")
                     : client->post("/v1/server/drain", {{"seconds", options.seconds}}, kTimeout);
  if (!server) return fail(server.error());
  const std::uint64_t before = connected(*server);
  if (!prints_text(context)) {
    json now = *server;
    if (options.wait) {
      if (auto empty = wait_until_empty(*client, options, before, context); !empty) return empty;
      now["connected"] = 0;
    }
    print_object(now, {}, "/name", context);
    return {};
  }
  if (options.cancel) {
    context.out << fmt::format("The push server of '{}' lets devices in.\n", (*dp)->name);
    return {};
  }
  context.out << fmt::format(
      "The push server of '{}' lets nobody in and sends {} elsewhere within {} s.\n", (*dp)->name,
      count_devices(before), options.seconds);
  if (!options.wait) return {};
  context.out.flush();
  if (auto empty = wait_until_empty(*client, options, before, context); !empty) return empty;
  context.out << "No device is connected any more.\n";
  return {};
}

}  // namespace

void add_dp_drain(CLI::App& parent, Context& context) {
  auto options = std::make_shared<DrainOptions>();
  CLI::App* command = parent.add_subcommand(
      "drain", "Send the devices of a running push server elsewhere and let nobody in");
  command->add_option("dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->add_option("--within", options->seconds, "Evenly within that time (default: 60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400));
  auto* const cancel = command->add_flag("--cancel", options->cancel, "Let devices in again");
  command->add_flag("--wait", options->wait, "Wait until nobody is connected")->excludes(cancel);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_drain(*options, context); };
  });
}

}  // namespace kscpush::cli

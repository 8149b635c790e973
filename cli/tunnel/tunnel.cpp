// kscpush tunnel: a TCP port that a device can reach, from here.
#include <algorithm>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/support/output.hpp"
#include "cli/support/positive.hpp"
#include "cli/support/site_file.hpp"
#include "cli/tunnel/forwarding.hpp"
#include "core/ids.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

struct TunnelOptions {
  std::string device;
  std::string target;
  std::string dp;
  std::uint16_t local = 0;
  bool stdio = false;
  std::int64_t idle_s = 0;  // 0: the server's usual ones
  std::int64_t lifetime_s = 0;
  std::int64_t max_bytes = 0;
};

// The usual port of a push server would be a wrong guess here.
Result<agent::Endpoint> read_target(const std::string& text) {
  const bool bracketed = text.starts_with('[');
  const bool has_port = bracketed ? text.find("]:") != std::string::npos
                                  : std::ranges::count(text, ':') == 1 && text.back() != ':';
  Result<agent::Endpoint> target = fail(ErrorCode::kUsage, "no port");
  if (has_port) target = agent::parse_endpoint(text);
  if (target) return target;
  return fail({ErrorCode::kUsage,
               text.empty() ? "which port of the device?"
                            : fmt::format("'{}' is not HOST:PORT", text.substr(0, 80)),
               "as the device knows it, for example 127.0.0.1:22"});
}

Result<TunnelTarget> read_options(const TunnelOptions& options) {
  if (options.device.empty()) {
    return fail({ErrorCode::kUsage, "which device?", "kscpush tunnel DEVICE HOST:PORT"});
  }
  const auto id = DeviceId::parse(options.device);
  if (!id) return fail(id.error());
  auto target = read_target(options.target);
  if (!target) return fail(target.error());
  if (options.stdio && options.local != 0) {
    return fail({ErrorCode::kUsage, "--stdio and --local exclude each other", ""});
  }
  TunnelTarget result{options.device, std::move(*target)};
  if (options.idle_s > 0) result.limits["idle_s"] = options.idle_s;
  if (options.lifetime_s > 0) result.limits["lifetime_s"] = options.lifetime_s;
  if (options.max_bytes > 0) result.limits["max_bytes"] = options.max_bytes;
  return result;
}

Result<TunnelApi> open_tunnel_api(const std::string& name, const Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, name);
  if (!dp) return fail(dp.error());
  const auto paths = site::server_paths(**dp, file->folder());
  auto api = api_client(**dp, paths);
  if (!api) return fail(api.error());
  return TunnelApi{std::move(*api), paths.client_ca};
}

// A port that leads nowhere should not be offered.
Status check_online(const TunnelApi& api, const std::string& id) {
  const auto device = api.api.get("/v1/devices/" + id);
  if (!device) return fail(device.error());
  if (!device->at("connection").is_null()) return {};
  return fail({ErrorCode::kOffline, fmt::format("device '{}' is not connected", id),
               "'kscpush device list' shows when it was last seen"});
}

Status run_tunnel(const TunnelOptions& options, Context& context) {
  auto target = read_options(options);
  if (!target) return fail(target.error());
  auto api = open_tunnel_api(options.dp, context);
  if (!api) return fail(api.error());
  if (auto online = check_online(*api, options.device); !online) return online;
  Forwarding forwarding(std::move(*api), std::move(*target), context);
  return options.stdio ? forwarding.run_stdio() : forwarding.run_local(options.local);
}

void add_dp(CLI::App& command, std::string& dp) {
  command.add_option("--dp", dp, "Distribution point (default: the only one)")->type_name("DP");
}

// --- list, close

struct ListOptions {
  std::string dp;
  bool all = false;
};

const std::vector<Column> kColumns{{"ID", "/id"},
                                   {"DEVICE", "/device"},
                                   {"HOST", "/host"},
                                   {"PORT", "/port"},
                                   {"STATE", "/state"},
                                   {"OPENED", "/opened"},
                                   {"TO", "/to_device"},
                                   {"FROM", "/from_device"},
                                   {"BY", "/opened_by", /*wide_only=*/true},
                                   {"ENDED", "/ended", true},
                                   {"REASON", "/reason", true}};

Status list_tunnels(const ListOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  ListPrinter printer(kColumns, "/id", context);
  const auto open = api->get("/v1/tunnels");
  if (!open) return fail(open.error());
  printer.add(open->at("tunnels"));
  json next = options.all ? json(0) : json();
  while (!next.is_null()) {
    const std::string after = next == 0 ? "" : fmt::format("&after={}", next.get<std::int64_t>());
    const auto page = api->get("/v1/tunnels?ended=true" + after);
    if (!page) return fail(page.error());
    printer.add(page->at("tunnels"));
    next = page->at("next");
  }
  printer.finish();
  return {};
}

void add_list(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = parent.add_subcommand("list", "The tunnels there are");
  command->add_flag("--all", options->all, "And those that have ended, newest first");
  add_dp(*command, options->dp);
  command->callback([options, &context] {
    context.action = [options, &context] { return list_tunnels(*options, context); };
  });
}

struct CloseOptions {
  std::string id;
  std::string dp;
};

const std::vector<Column> kFields{{"Id", "/id"},
                                  {"Device", "/device"},
                                  {"Host", "/host"},
                                  {"Port", "/port"},
                                  {"State", "/state"},
                                  {"Opened by", "/opened_by"},
                                  {"Opened", "/opened"},
                                  {"Ended", "/ended"},
                                  {"Reason", "/reason"},
                                  {"Bytes to the device", "/to_device"},
                                  {"Bytes from it", "/from_device"}};

Status close_tunnel(const CloseOptions& options, Context& context) {
  const auto id = Ulid::parse(options.id, "tunnel");
  if (!id) return fail(id.error());
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const auto tunnel = api->remove(fmt::format("/v1/tunnels/{}", id->str()));
  if (!tunnel) return fail(tunnel.error());
  print_object(*tunnel, kFields, "/id", context);
  return {};
}

void add_close(CLI::App& parent, Context& context) {
  auto options = std::make_shared<CloseOptions>();
  CLI::App* command = parent.add_subcommand("close", "End a tunnel; both sides learn of it");
  command->add_option("id", options->id, "Tunnel id")->type_name("ID")->required();
  add_dp(*command, options->dp);
  command->callback([options, &context] {
    context.action = [options, &context] { return close_tunnel(*options, context); };
  });
}

}  // namespace

void add_tunnel(CLI::App& parent, Context& context) {
  auto options = std::make_shared<TunnelOptions>();
  CLI::App* command = parent.add_subcommand(
      "tunnel", "Reach a TCP port of a device, or one that the device can reach");
  command->add_option("device", options->device, "Device id")->type_name("DEVICE");
  command->add_option("target", options->target, "As the device knows it: 127.0.0.1:22")
      ->type_name("HOST:PORT");
  command->add_option("--local", options->local, "Port of 127.0.0.1 (default: a free one)")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65'535));
  command->add_flag("--stdio", options->stdio,
                    "Standard input and output instead of a port: for ssh's ProxyCommand");
  command->add_option("--idle", options->idle_s, "Ends when no byte passes (default: 900)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400));
  command->add_option("--lifetime", options->lifetime_s, "Ends after that (default: 28800)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400));
  command->add_option("--max-bytes", options->max_bytes, "Ends after so many, both ways together")
      ->type_name("N")
      ->check(positive_number());
  add_dp(*command, options->dp);
  add_list(*command, context);
  add_close(*command, context);
  command->callback([command, options, &context] {
    if (!command->get_subcommands().empty()) return;
    context.action = [options, &context] { return run_tunnel(*options, context); };
  });
}

}  // namespace kscpush::cli

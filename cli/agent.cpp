// kscpush agent: the reference device.
#include "agent/agent.hpp"

#include <asio/signal_set.hpp>

#include "cli/commands.hpp"
#include "cli/support/log.hpp"
#include "core/version.hpp"

namespace kscpush::cli {
namespace {

struct AgentCommand {
  std::vector<std::string> servers;
  std::string id;
  std::string files = ".";
  std::string log_level = "info";
};

Result<agent::AgentOptions> agent_options(const AgentCommand& command, const Context& context) {
  auto id = DeviceId::parse(command.id);
  if (!id) return fail(id.error());
  const auto folder = context.directory / command.files;
  agent::AgentOptions options{.id = *id,
                              .servers = {},
                              .certificate = folder / (id->str() + ".crt"),
                              .key = folder / (id->str() + ".key"),
                              .authority = folder / "ca.crt"};
  for (const std::string& text : command.servers) {
    auto server = agent::parse_endpoint(text);
    if (!server) return fail(server.error());
    options.servers.push_back(std::move(*server));
  }
  return options;
}

agent::PushHandlers make_handlers() {
  agent::PushHandlers handlers;
  handlers.add("ping", [](const PushMessage&) -> Result<nlohmann::json> {
    return nlohmann::json{{"agent", kVersion}};
  });
  return handlers;
}

Status run_agent(const AgentCommand& command, Context& context) {
  auto options = agent_options(command, context);
  if (!options) return fail(options.error());
  const auto log = make_log(command.log_level);
  asio::io_context loop{1};
  asio::signal_set signals(loop, SIGTERM, SIGINT);
  auto agent =
      agent::Agent::create(loop, std::move(*options), make_handlers(), context.clock, *log);
  if (!agent) return fail(agent.error());
  signals.async_wait([&](const asio::error_code&, int) { (*agent)->stop(); });
  (*agent)->start();
  loop.run();
  return {};
}

}  // namespace

void add_agent(CLI::App& parent, Context& context) {
  auto options = std::make_shared<AgentCommand>();
  CLI::App* command = parent.add_subcommand(
      "agent", "Run the reference device: hold the connection, answer what is asked");
  command
      ->add_option("--server", options->servers,
                   "Push server; more than one: tried in this order (usual port: 13295)")
      ->type_name("HOST:PORT")
      ->required();
  command->add_option("--id", options->id, "Device id")->type_name("ID")->required();
  command
      ->add_option("--files", options->files,
                   "Folder with ID.crt, ID.key and ca.crt, as 'device enroll' writes them")
      ->type_name("DIR");
  add_log_level(*command, options->log_level);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_agent(*options, context); };
  });
}

}  // namespace kscpush::cli

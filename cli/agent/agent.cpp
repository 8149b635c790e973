// kscpush agent: the reference device.
#include <asio/signal_set.hpp>

#include "agent/device.hpp"
#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/agent_file.hpp"
#include "cli/support/log.hpp"

namespace kscpush::cli {
namespace {

struct AgentCommand {
  AgentFileOptions file;
  std::vector<std::string> servers;
  bool names_servers = false;  // also when "--server=" names an empty one
  std::string id;
  std::string files;
  double minute_s = 60;
  std::string log_level = "info";
};

// What the command line says goes before what the file says.
Result<agent::AgentConfig> agent_config(const AgentCommand& command, const Context& context) {
  const bool told = !command.id.empty() && command.names_servers;
  auto config = read_agent_file(command.file, {command.id, command.files, !told}, context);
  if (!config) return config;
  if (!command.servers.empty()) config->servers.clear();
  for (const std::string& text : command.servers) {
    auto server = agent::parse_endpoint(text);
    if (!server) return fail(server.error());
    config->servers.push_back(std::move(*server));
  }
  config->minute = std::chrono::milliseconds(static_cast<std::int64_t>(command.minute_s * 1000));
  return config;
}

Status run_agent(const AgentCommand& command, Context& context) {
  auto config = agent_config(command, context);
  if (!config) return fail(config.error());
  const auto log = make_log(command.log_level);
  asio::io_context loop{1};
  asio::signal_set signals(loop, SIGTERM, SIGINT);
  auto device = agent::Device::create(loop, std::move(*config), context.clock, *log);
  if (!device) return fail(device.error());
  signals.async_wait([&](const asio::error_code&, int) { (*device)->stop(); });
  (*device)->start();
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
      ->type_name("HOST:PORT");
  command->add_option("--id", options->id, "Device id")->type_name("ID");
  command
      ->add_option("--files", options->files,
                   "Folder with ID.crt, ID.key and ca.crt, as 'device enroll' writes them")
      ->type_name("DIR");
  add_agent_file_options(*command, options->file);
  command
      ->add_option("--minute", options->minute_s,
                   "For trials: how long a minute of the synchronization interval takes")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 60.0));
  add_log_level(*command, options->log_level);
  add_agent_status(*command, context);
  add_agent_enroll(*command, context);
  command->callback([command, options, &context] {
    options->names_servers = command->count("--server") > 0;
    if (!command->get_subcommands().empty()) return;
    context.action = [options, &context] { return run_agent(*options, context); };
  });
}

}  // namespace kscpush::cli

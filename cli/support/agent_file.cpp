#include "cli/support/agent_file.hpp"

#include "cli/support/site_file.hpp"

namespace kscpush::cli {

void add_agent_file_options(CLI::App& command, AgentFileOptions& options) {
  command
      .add_option("--config-file", options.config_file,
                  "The agent's own configuration (default: /etc/kscpush/agent.yaml)")
      ->type_name("FILE");
  command
      .add_option("--state-directory", options.state_directory,
                  "Where the agent keeps its state (default: as the file says, else "
                  "/var/lib/kscpush-agent; without a file ID.state beside the certificate)")
      ->type_name("DIR");
}

std::string to_yaml(const NewAgentFile& file) {
  std::string text = fmt::format("version: 1\nid: {}\nservers:\n", file.id);
  for (const std::string& server : file.servers) text += fmt::format("  - \"{}\"\n", server);
  if (!file.files.empty()) text += fmt::format("files: \"{}\"\n", file.files);
  return text + fmt::format("state_directory: \"{}\"\n", file.state_directory);
}

Result<agent::AgentConfig> read_agent_file(const AgentFileOptions& options,
                                           const AgentIdentity& identity, const Context& context) {
  agent::AgentConfig config;
  config.files = context.directory;
  const bool has_file = identity.needs_file || !options.config_file.empty();
  if (has_file) {
    const auto file = options.config_file.empty()
                          ? std::filesystem::path(agent::kUsualConfigFile)
                          : (context.directory / options.config_file).lexically_normal();
    Diagnostics diagnostics;
    auto loaded = agent::load_config(file, diagnostics);
    print_diagnostics(diagnostics, context);
    if (!loaded) {
      Error error = loaded.error();
      if (error.code == ErrorCode::kNotFound) {
        error.hint = "name it with --config-file, or give --id and --server";
      }
      return fail(std::move(error));
    }
    config = std::move(*loaded);
  }
  if (!identity.id.empty()) {
    auto id = DeviceId::parse(identity.id);
    if (!id) return fail(id.error());
    config.id = std::move(*id);
  }
  if (!identity.files.empty()) config.files = context.directory / identity.files;
  if (!options.state_directory.empty()) {
    config.state_directory = context.directory / options.state_directory;
  } else if (!has_file && config.id) {
    config.state_directory = config.files / (config.id->str() + ".state");
  }
  return config;
}

}  // namespace kscpush::cli

// Commands about the agent of this device: which file describes it, and where it keeps its state.
#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "agent/config.hpp"
#include "cli/context.hpp"

namespace kscpush::cli {

struct AgentFileOptions {
  std::string config_file;
  std::string state_directory;
};
// --config-file, --state-directory.
void add_agent_file_options(CLI::App& command, AgentFileOptions& options);

// A file to start an agent with. Paths as they stand in it: relative ones count from its folder.
struct NewAgentFile {
  std::string id;
  std::vector<std::string> servers;  // HOST:PORT
  std::string files;                 // empty: the file's own folder
  std::string state_directory;
};
[[nodiscard]] std::string to_yaml(const NewAgentFile& file);

// What the command line says of the device.
struct AgentIdentity {
  std::string id;     // empty: the file's
  std::string files;  // folder of the certificate; empty: the file's, else the current one
  bool needs_file = true;
};
// The file that is named; else, if it is needed, /etc/kscpush/agent.yaml; else nothing but the
// identity, and FILES/ID.state as the state directory. Prints what is wrong with a file.
[[nodiscard]] Result<agent::AgentConfig> read_agent_file(const AgentFileOptions& options,
                                                         const AgentIdentity& identity,
                                                         const Context& context);

}  // namespace kscpush::cli

// What a device says of itself: the agent's file, usually /etc/kscpush/agent.yaml.
//
//   version: 1
//   id: pc-1
//   servers: [dp-berlin-1.example.com:13295]
//   files: /etc/kscpush              # folder of ID.crt, ID.key and ca.crt
//   state_directory: /var/lib/kscpush-agent
//   tasks: ...                       # agent/tasks/declaration.hpp
//   collectors: ...
//   tunnels: {allow: [127.0.0.1:22], max: 16, idle_s: 600, lifetime_s: 86400}
//   local:                           # settings changed on the device itself, by path
//     connectivity.schedule.synchronization_interval: 30
//
// Relative paths are relative to the folder of the file. docs/agent.md describes every key.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/endpoint.hpp"
#include "agent/tasks/declaration.hpp"
#include "core/diagnostic.hpp"
#include "core/ids.hpp"
#include "core/report.hpp"
#include "core/yaml/document.hpp"

namespace kscpush::agent {

inline constexpr std::string_view kUsualConfigFile = "/etc/kscpush/agent.yaml";
inline constexpr std::string_view kUsualStateDirectory = "/var/lib/kscpush-agent";

struct TunnelRules {
  std::vector<std::string> allow{};  // HOST:PORT, either of them may be '*'; nothing: no tunnels
  std::uint32_t max = 16;            // at the same time
  std::uint32_t idle_s = 600;
  std::uint32_t lifetime_s = 86'400;
};

// What the file leaves out may come from the command line; whoever runs the agent sees to it that
// there are an id and a server.
struct AgentConfig {
  std::optional<DeviceId> id{};
  std::vector<Endpoint> servers{};  // tried in this order
  std::filesystem::path files{};
  std::filesystem::path state_directory{};
  std::vector<TaskDeclaration> tasks{};
  std::vector<CollectorDeclaration> collectors{};
  TunnelRules tunnels{};
  ReportedSettings local{};
  // How long a minute of the policy's schedule takes; trials make it short.
  std::chrono::milliseconds minute = std::chrono::minutes(1);
};

// Always gives a configuration; it is of use only if the diagnostics hold no error. FOLDER is the
// file's own.
[[nodiscard]] AgentConfig read_config(const yaml::Document& document,
                                      const std::filesystem::path& folder,
                                      Diagnostics& diagnostics);

// The file. kInvalidConfig: DIAGNOSTICS has every finding, the error their number. Other errors are
// those of reading it.
[[nodiscard]] Result<AgentConfig> load_config(const std::filesystem::path& file,
                                              Diagnostics& diagnostics);

}  // namespace kscpush::agent

// The tasks and collectors of a device, as its own configuration declares them. Nothing else can be
// run on it.
//
//   tasks:
//     - name: restart-unit
//       description: Restarts a service
//       command: /usr/bin/systemctl       # absolute; there is no shell
//       args: [restart, "{unit}"]         # a word each; {NAME} is a parameter, {{ a brace
//       parameters:
//         unit: {enum: [nginx, postgresql], default: nginx}
//       user: root
//       timeout_s: 60
//       limits: {memory_mib: 64, processes: 16}
//   collectors:
//     - name: nginx
//       command: /usr/local/bin/nginx-metrics
//       format: prometheus                # or json
//     - name: backup
//       file: /var/lib/backup/status.json
//       format: json
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/tasks/pattern.hpp"
#include "core/result.hpp"
#include "core/site/reader.hpp"

namespace kscpush::agent {

// Of a value: exactly one of them.
struct Parameter {
  enum class Kind : std::uint8_t { kPattern, kEnum, kRange };
  static constexpr std::size_t kLongestValue = 256;

  std::string name;
  Kind kind = Kind::kEnum;
  Pattern pattern{};                // the whole value must match
  std::vector<std::string> values;  // of kEnum
  std::int64_t least = 0;           // of kRange
  std::int64_t most = 0;
  std::optional<std::string> fallback{};  // nothing: it must be given

  // kUsage: why VALUE does not fit. Nothing fits that has control characters, or that matches a
  // pattern and begins with '-', as a program would take it for an option.
  [[nodiscard]] Status check(std::string_view value) const;
  // As behind a noun: "of a, b", "from 1 to 5", "matching [a-z]+"
  [[nodiscard]] std::string rule() const;
};

// What the processes of one run may use; 0: as much as the agent itself.
struct ProcessLimits {
  std::uint32_t cpu_s = 0;       // of each process
  std::uint32_t memory_mib = 0;  // address space of each process
  std::uint32_t processes = 0;   // of its user, all together; root has no such limit
  std::uint32_t files = 0;       // open at the same time, of each process
};

struct Command {
  std::string program;            // absolute
  std::vector<std::string> args;  // templates of a task; as they are of a collector
  std::string user;               // empty: the agent's own
  std::map<std::string, std::string> environment;
  std::string working_directory = "/";
  ProcessLimits limits{};
};

struct TaskDeclaration {
  static constexpr std::uint32_t kLongestTimeout = 86'400;  // s
  static constexpr std::uint32_t kLongestGrace = 60;        // s

  std::string name;
  std::string description;
  Command command{};
  std::vector<Parameter> parameters;
  std::uint32_t timeout_s = 300;  // then it is stopped
  std::uint32_t grace_s = 10;     // between SIGTERM and SIGKILL
  std::uint32_t concurrency = 1;  // runs at the same time

  // The arguments with these values in their places. kUsage: a parameter that is missing, is not
  // declared, or does not fit.
  [[nodiscard]] Result<std::vector<std::string>> arguments(
      const std::map<std::string, std::string>& values) const;
};

struct CollectorDeclaration {
  enum class Format : std::uint8_t { kJson, kPrometheus };
  static constexpr std::uint32_t kLongestTimeout = 20;  // s: the whole answer is due in 30

  std::string name;
  Format format = Format::kJson;
  Command command{};  // without a program: a file
  std::string file;
  std::uint32_t timeout_s = 5;
};

// Each reports what is wrong to the reader, at its place.
void read_tasks(site::Reader& reader, const yaml::Node& node, std::vector<TaskDeclaration>& tasks);
void read_collectors(site::Reader& reader, const yaml::Node& node,
                     std::vector<CollectorDeclaration>& collectors);

// "a{x}b{{" in parts: text and names of parameters, in turn. kUsage: a brace without its other.
struct TemplatePart {
  std::string text;
  bool is_parameter = false;
};
[[nodiscard]] Result<std::vector<TemplatePart>> parse_template(std::string_view text);

}  // namespace kscpush::agent

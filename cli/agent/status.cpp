// kscpush agent status: what the agent that runs on this device says of itself.
#include <ostream>

#include "agent/status_socket.hpp"
#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/agent_file.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

const std::vector<Column> kFields{{"Device", "/device"},
                                  {"Agent", "/agent"},
                                  {"Connection", "/connection/state"},
                                  {"Server", "/connection/server"},
                                  {"Since", "/connection/since"},
                                  {"Last failure", "/connection/last_failure"},
                                  {"Policy", "/policy/revision"},
                                  {"Policy result", "/policy/result"},
                                  {"Certificate ends", "/certificate/not_after"}};
const std::vector<Column> kTaskColumns{
    {"RUN", "/run"}, {"TASK", "/task"}, {"SINCE", "/started"}, {"PID", "/pid"}};
const std::vector<Column> kPushColumns{
    {"PUSH", "/id"}, {"KIND", "/kind"}, {"AT", "/at"}, {"STATE", "/state"}};

void print_part(const json& status, const std::string& name, const std::string& heading,
                const std::vector<Column>& columns, const Context& context) {
  const auto part = status.find(name);
  if (part == status.end() || !part->is_array() || part->empty()) return;
  context.out << '\n' << heading << '\n';
  print_list(*part, columns, columns.front().pointer, context);
}

Status run_status(const AgentFileOptions& options, Context& context) {
  std::filesystem::path directory;
  if (!options.state_directory.empty()) {
    directory = context.directory / options.state_directory;
  } else {
    const auto config = read_agent_file(options, {}, context);
    if (!config) return fail(config.error());
    directory = config->state_directory;
  }
  const auto status = agent::ask_status(directory / agent::kStatusSocket);
  if (!status) return fail(status.error());
  print_object(*status, kFields, "/device", context);
  if (!prints_text(context)) return {};
  print_part(*status, "tasks", "Running tasks", kTaskColumns, context);
  print_part(*status, "pushes", "Last pushes", kPushColumns, context);
  return {};
}

}  // namespace

void add_agent_status(CLI::App& parent, Context& context) {
  auto options = std::make_shared<AgentFileOptions>();
  CLI::App* command = parent.add_subcommand(
      "status", "Ask the agent on this device: its connection, tasks and last pushes");
  add_agent_file_options(*command, *options);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_status(*options, context); };
  });
}

}  // namespace kscpush::cli

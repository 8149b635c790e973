#include "cli/support/log.hpp"

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>

namespace kscpush::cli {

std::unique_ptr<spdlog::logger> make_log(const std::string& level) {
  auto log = std::make_unique<spdlog::logger>("kscpush",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  log->set_level(spdlog::level::from_str(level));
  log->flush_on(spdlog::level::trace);  // a log is read while it is written
  return log;
}

void add_log_level(CLI::App& command, std::string& level) {
  command.add_option("--log-level", level, "Least important lines to log (default: info)")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}));
}

}  // namespace kscpush::cli

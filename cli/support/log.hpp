// The log of the commands that run on: lines on standard error.
#pragma once

#include <spdlog/logger.h>

#include <CLI/App.hpp>
#include <memory>
#include <string>

namespace kscpush::cli {

// LEVEL: one of those of --log-level.
[[nodiscard]] std::unique_ptr<spdlog::logger> make_log(const std::string& level);
void add_log_level(CLI::App& command, std::string& level);

}  // namespace kscpush::cli

// The log of the commands that run on: lines on standard error.
#pragma once

#include <memory>
#include <string>

#include <CLI/App.hpp>
#include <spdlog/logger.h>

namespace kscpush::cli {

// LEVEL: one of those of --log-level.
[[nodiscard]] std::unique_ptr<spdlog::logger> make_log(const std::string& level);
void add_log_level(CLI::App& command, std::string& level);

}  // namespace kscpush::cli

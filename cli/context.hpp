// What every command gets: where to print, what was asked for globally, and the world around the
// program. Tests give their own.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/result.hpp"

namespace kscpush::cli {

enum class Format { kTable, kWide, kJson, kYaml, kName };

struct Context {
  std::ostream& out;  // data
  std::ostream& err;  // progress, diagnostics
  const Clock& clock;
  std::filesystem::path directory;  // the current one
  std::function<std::optional<std::string>(const char*)> environment;
  bool color = false;     // of ERR
  bool terminal = false;  // ERR is one: progress is shown
  // Asks the user, who is at a terminal; null: there is none. Empty: no answer.
  std::function<std::string(const std::string& question)> ask{};

  // Global options.
  std::string config{};
  std::string format = "table";
  bool no_color = false;

  // What the command line chose; set by the command's parser, run by run().
  std::function<Status()> action{};

  [[nodiscard]] Format output_format() const;
};

}  // namespace kscpush::cli

// The command tree as the generators of completions and of the man page see it.
#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

namespace kscpush::cli {

struct OptionInfo {
  std::vector<std::string> names;  // "-o", "--output"
  std::string value;               // "FORMAT"; empty for a flag
  std::vector<std::string> choices;
  std::string help;
  bool repeats = false;  // may be given more than once
};

struct CommandInfo {
  std::vector<std::string> path;  // {"dp", "enable"}; empty for the program
  std::string help;
  std::vector<OptionInfo> options;  // with those of the commands above it
  std::vector<OptionInfo> own_options;
  std::vector<OptionInfo> arguments;  // positional
  std::vector<std::string> subcommands;
};

// Every command, parents before children.
[[nodiscard]] std::vector<CommandInfo> describe(const CLI::App& app);

[[nodiscard]] std::string bash_completion(const std::vector<CommandInfo>& commands);
[[nodiscard]] std::string zsh_completion(const std::vector<CommandInfo>& commands);
[[nodiscard]] std::string fish_completion(const std::vector<CommandInfo>& commands);
[[nodiscard]] std::string man_page(const std::vector<CommandInfo>& commands);

}  // namespace kscpush::cli

// Which policy a command is about: --policy, --group, or the only one.
#pragma once

#include <string>

#include <CLI/App.hpp>

namespace kscpush::cli {

struct PolicyTarget {
  std::string name;
  std::string group;

  void add_to(CLI::App& command) {
    command.add_option("--policy", name, "Policy (default: the only one)")->type_name("NAME");
    command.add_option("--group", group, "The policy of this group")->type_name("GROUP");
  }
};

}  // namespace kscpush::cli

// kscpush completion: scripts for shells, generated from the tree of commands.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/completion/tree.hpp"
#include "policy/schema.hpp"

namespace kscpush::cli {

void add_completion(CLI::App& parent, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand(
      "completion",
      "Print a completion script for a shell, or a generated page of the documentation");
  command
      ->add_option("shell", *shell,
                   "bash, zsh, fish; or man, settings for these pages of the documentation")
      ->type_name("SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "man", "settings"}));
  command->callback([shell, &context] {
    context.action = [shell, &context]() -> Status {
      const auto commands = describe(*make_app(context));
      if (*shell == "bash") context.out << bash_completion(commands);
      if (*shell == "zsh") context.out << zsh_completion(commands);
      if (*shell == "fish") context.out << fish_completion(commands);
      if (*shell == "man") context.out << man_page(commands);
      if (*shell == "settings") context.out << policy::settings_page();
      return {};
    };
  });
}

}  // namespace kscpush::cli

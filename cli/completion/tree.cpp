#include "cli/completion/tree.hpp"

#include <CLI/Option.hpp>

#include "policy/schema.hpp"

namespace kscpush::cli {
namespace {

// The words an option or argument may have. CLI11 keeps a check's choices only in its description,
// "{a,b,c}"; the settings' names come from their own table.
std::vector<std::string> choices_of(const CLI::Option& option, const std::string& value) {
  if (value == "SETTING") return policy::setting_names();
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open == std::string::npos ? 0 : open);
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string word;
  for (const char c : type.substr(open + 1, close - open - 1) + ",") {
    if (c != ',') {
      word += c;
    } else if (!word.empty()) {
      choices.push_back(std::exchange(word, ""));
    }
  }
  return choices;
}

OptionInfo describe_option(const CLI::Option& option) {
  OptionInfo info;
  for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  if (info.names.empty()) info.names.push_back(option.get_single_name());
  const std::string type = option.get_type_name();
  if (option.get_items_expected_max() > 0) info.value = type.substr(0, type.find(':'));
  info.choices = choices_of(option, info.value);
  info.help = option.get_description();
  info.repeats = option.get_items_expected_max() > 1;
  return info;
}

void walk(const CLI::App& app, const CommandInfo* parent, std::vector<CommandInfo>& all) {
  CommandInfo info;
  if (parent != nullptr) {
    info.path = parent->path;
    info.path.push_back(app.get_name());
    info.options = parent->options;
  }
  info.help = app.get_description();
  for (const CLI::Option* option : app.get_options()) {
    OptionInfo described = describe_option(*option);
    if (option->get_positional()) {
      info.arguments.push_back(std::move(described));
      continue;
    }
    const bool repeated = parent != nullptr && described.names.back() == "--help";
    if (!repeated) info.options.push_back(described);
    if (!repeated) info.own_options.push_back(std::move(described));
  }
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) info.subcommands.push_back(child->get_name());
  all.push_back(info);
  for (const CLI::App* child : children) walk(*child, &info, all);
}

}  // namespace

std::vector<CommandInfo> describe(const CLI::App& app) {
  std::vector<CommandInfo> all;
  walk(app, nullptr, all);
  return all;
}

}  // namespace kscpush::cli

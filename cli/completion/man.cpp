// The man page, from the same tree.
#include <fmt/format.h>

#include "cli/completion/tree.hpp"
#include "core/error_table.hpp"

namespace kscpush::cli {
namespace {

// roff takes '-' for a hyphen and a leading '.' for a request.
std::string roff(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '-' || c == '\\') result += '\\';
    result += c;
  }
  if (result.starts_with('.') || result.starts_with('\'')) result.insert(0, "\\&");
  return result;
}

std::string option_entry(const OptionInfo& option) {
  std::string heading =
      fmt::format("\\fB{}\\fR", roff(fmt::format("{}", fmt::join(option.names, ", "))));
  if (!option.value.empty()) heading += fmt::format(" \\fI{}\\fR", roff(option.value));
  std::string help = roff(option.help);
  if (!option.choices.empty() && option.choices.size() <= 6) {
    help += roff(fmt::format(" ({})", fmt::join(option.choices, ", ")));
  }
  return fmt::format(".TP\n{}\n{}\n", heading, help);
}

std::string command_section(const CommandInfo& command) {
  std::string synopsis = fmt::format("kscpush {}", fmt::join(command.path, " "));
  for (const OptionInfo& argument : command.arguments) synopsis += " " + argument.value;
  std::string text = fmt::format(".SS {}\n{}.\n", roff(synopsis), roff(command.help));
  for (const OptionInfo& argument : command.arguments) {
    OptionInfo shown = argument;
    shown.names = {argument.value};
    shown.value.clear();
    shown.choices.clear();
    text += option_entry(shown);
  }
  for (const OptionInfo& option : command.own_options) text += option_entry(option);
  return text;
}

}  // namespace

std::string man_page(const std::vector<CommandInfo>& commands) {
  std::string options;
  std::string sections;
  for (const CommandInfo& command : commands) {
    if (command.path.empty()) {
      for (const OptionInfo& option : command.options) options += option_entry(option);
    } else if (command.subcommands.empty()) {
      sections += command_section(command);
    }
  }
  std::string exits;
  int last = 0;
  for (const ErrorRow& row : kErrorTable) {
    if (row.exit_code <= last) continue;  // several errors share exit code 1
    last = row.exit_code;
    exits += fmt::format(".TP\n{}\n{}\n", row.exit_code, roff(row.meaning));
  }
  return fmt::format(
      R"(.\" Generated from the command tree ('kscpush completion man'); do not edit.
.TH KSCPUSH 1 "" "kscpush" "User Commands"
.SH NAME
kscpush \- distribution points and push servers as code
.SH SYNOPSIS
.B kscpush
.I COMMAND
[\fIOPTIONS\fR]
.SH DESCRIPTION
{}
.SH OPTIONS
{}.SH COMMANDS
{}.SH EXIT STATUS
.TP
0
done
{}.SH FILES
.TP
.I kscpush.yaml
The site configuration; see \fB\-\-config\fR for where it is looked for.
.SH ENVIRONMENT
.TP
.B KSCPUSH_CONFIG
The site configuration, unless \fB\-\-config\fR names one.
.TP
.B NO_COLOR
Never print in color.
)",
      roff(commands.front().help), options, sections, exits);
}

}  // namespace kscpush::cli

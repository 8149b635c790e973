#include "cli/app.hpp"

#include <algorithm>
#include <ostream>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "core/diagnostic.hpp"
#include "core/error_table.hpp"
#include "core/version.hpp"
#include "core/words.hpp"

namespace kscpush::cli {
namespace {

void add_global_options(CLI::App& app, Context& context) {
  app.add_option("--config", context.config,
                 "The site configuration (default: $KSCPUSH_CONFIG, ./kscpush.yaml, "
                 "/etc/kscpush/kscpush.yaml)")
      ->type_name("FILE");
  app.add_option("-o,--output", context.format, "How to print")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}));
  app.add_flag("--no-color", context.no_color, "Never print in color (also: NO_COLOR)");
}

// The command that the words on the line reach, to suggest from what it knows.
const CLI::App* deepest_parsed(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? &app : deepest_parsed(*chosen.front());
}

std::string full_name(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return full_name(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words = command_names(app);
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
  }
  return words;
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = *deepest_parsed(app);
  std::string message = error.what();
  const std::vector<std::string> left = app.remaining(/*recurse=*/true);
  const bool command_missing = message == "A subcommand is required";
  if (!left.empty() &&
      (command_missing || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)) {
    const std::string word = left.front().substr(0, left.front().find('='));
    const std::string_view kind = word.starts_with('-') ? "unknown option"
                                  : command_missing     ? "unknown command"
                                                        : "unexpected word";
    message = fmt::format("{} '{}'{}", kind, word, suggestion(word, known_words(at)));
  } else if (command_missing) {
    message =
        fmt::format("'{}' needs a command: {}", full_name(at), fmt::join(command_names(at), ", "));
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  return Error{ErrorCode::kUsage, message, fmt::format("see: {} --help", full_name(at))};
}

std::string paint(std::string_view text, std::string_view code, const Context& context) {
  if (!context.color || context.no_color) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

}  // namespace

Format Context::output_format() const {
  if (format == "json") return Format::kJson;
  if (format == "yaml") return Format::kYaml;
  if (format == "name") return Format::kName;
  return format == "wide" ? Format::kWide : Format::kTable;
}

namespace {

void print_message(std::string_view kind, std::string_view code, const Error& error,
                   const Context& context) {
  // It may hold text of a device's, or of whoever answers in the push server's place.
  context.err << paint(kind, code, context) << ' ' << printable(error.message) << '\n';
  if (!error.hint.empty()) {
    context.err << paint("hint:", "1;36", context) << ' ' << printable(error.hint) << '\n';
  }
}

}  // namespace

void print_error(const Error& error, const Context& context) {
  print_message("error:", "1;31", error, context);
}

void print_warning(const Error& warning, const Context& context) {
  print_message("warning:", "1;33", warning, context);
}

void print_note(std::string_view text, const Context& context) {
  context.err << printable(text) << '\n';
}

std::unique_ptr<CLI::App> make_app(Context& context) {
  auto app = std::make_unique<CLI::App>(
      "Distribution points and push servers as code: edit, serve, reach devices.", "kscpush");
  app->set_version_flag("--version", std::string("kscpush ") + kVersion);
  app->require_subcommand(1);
  app->fallthrough();
  add_global_options(*app, context);
  add_init(*app, context);
  add_validate(*app, context);
  add_diff(*app, context);
  add_apply(*app, context);
  add_history(*app, context);
  add_rollback(*app, context);
  add_dp(*app, context);
  add_policy(*app, context);
  add_group(*app, context);
  add_device(*app, context);
  add_store(*app, context);
  add_serve(*app, context);
  add_agent(*app, context);
  add_ping(*app, context);
  add_sync(*app, context);
  add_status(*app, context);
  add_stats(*app, context);
  add_task(*app, context);
  add_push(*app, context);
  add_rollout(*app, context);
  add_tunnel(*app, context);
  add_events(*app, context);
  add_doctor(*app, context);
  add_bench(*app, context);
  add_completion(*app, context);
  return app;
}

int run(std::vector<std::string> args, Context& context) {
  const auto app = make_app(context);
  std::reverse(args.begin(), args.end());  // CLI11 takes them last first
  try {
    app->parse(std::move(args));
  } catch (const CLI::Success& asked_for) {  // --help, --version
    return app->exit(asked_for, context.out, context.err);
  } catch (const CLI::ParseError& error) {
    const Error usage = usage_error(*app, error);
    print_error(usage, context);
    return error_row(usage.code).exit_code;
  }
  const Status status = context.action();
  context.out.flush();
  if (status) return 0;
  if (!status.error().message.empty()) print_error(status.error(), context);
  return error_row(status.error().code).exit_code;
}

}  // namespace kscpush::cli

// The command line: argv in, exit code out. Errors become exit codes here and nowhere else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "cli/context.hpp"

namespace kscpush::cli {

// The whole tree of commands. Each sets context.action when it is chosen.
[[nodiscard]] std::unique_ptr<CLI::App> make_app(Context& context);

// ARGS without the program's name.
[[nodiscard]] int run(std::vector<std::string> args, Context& context);

// "error: ..." and "hint: ...", in color if the context says so.
void print_error(const Error& error, const Context& context);
// The same with "warning: ...".
void print_warning(const Error& warning, const Context& context);
void print_note(std::string_view text, const Context& context);

}  // namespace kscpush::cli

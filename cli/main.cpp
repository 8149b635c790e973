#include <cstdlib>
#include <exception>
#include <iostream>

#include <unistd.h>

#include "cli/app.hpp"
#include "cli/support/standard_output.hpp"

int main(int argc, char** argv) {
  using namespace kscpush;
  cli::occupy_standard_descriptors();
  const SystemClock clock;
  cli::StandardOutput output;
  std::ostream out(&output);
  // Not std::cerr itself: it flushes std::cout before it writes, and keeps what goes wrong there.
  std::ostream err(std::cerr.rdbuf());
  err.tie(&out);
  cli::Context context{out, err, clock, "", nullptr};
  context.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  try {
    context.directory = std::filesystem::current_path();
    context.terminal = ::isatty(STDERR_FILENO) == 1;
    context.color = context.terminal && !context.environment("NO_COLOR");
    if (context.terminal && ::isatty(STDIN_FILENO) == 1) {
      context.ask = [&err](const std::string& question) {
        err << question << std::flush;
        std::string answer;
        std::getline(std::cin, answer);
        return answer;
      };
    }
    return cli::finish_output(output, cli::run({argv + 1, argv + argc}, context), context);
  } catch (const std::exception& error) {
    err << "error: " << error.what() << '\n';
    return 1;
  }
}

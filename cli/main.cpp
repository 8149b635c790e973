#include <cstdlib>
#include <exception>
#include <iostream>

#include <unistd.h>

#include "cli/app.hpp"

int main(int argc, char** argv) {
  using namespace kscpush;
  const SystemClock clock;
  cli::Context context{std::cout, std::cerr, clock, "", nullptr};
  context.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  try {
    context.directory = std::filesystem::current_path();
    context.terminal = ::isatty(STDERR_FILENO) == 1;
    context.color = context.terminal && !context.environment("NO_COLOR");
    if (context.terminal && ::isatty(STDIN_FILENO) == 1) {
      context.ask = [](const std::string& question) {
        std::cerr << question << std::flush;
        std::string answer;
        std::getline(std::cin, answer);
        return answer;
      };
    }
    return cli::run({argv + 1, argv + argc}, context);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}

#include "cli/support/standard_output.hpp"

#include <cerrno>
#include <cstdio>
#include <ostream>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "cli/app.hpp"
#include "core/error_table.hpp"

namespace kscpush::cli {

void occupy_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1) continue;
    // The lowest that is free, thus this one. Only to read: a write tells that it was closed.
    if (::open("/dev/null", O_RDONLY) != descriptor) return;
  }
}

void StandardOutput::note_error() {
  if (error_ == 0) error_ = errno;
}

StandardOutput::int_type StandardOutput::overflow(int_type letter) {
  if (traits_type::eq_int_type(letter, traits_type::eof())) return traits_type::not_eof(letter);
  if (std::putc(letter, stdout) != EOF) return letter;
  note_error();
  return traits_type::eof();
}

std::streamsize StandardOutput::xsputn(const char* text, std::streamsize size) {
  const auto wanted = static_cast<std::size_t>(size);
  const std::size_t written = std::fwrite(text, 1, wanted, stdout);
  if (written != wanted) note_error();
  return static_cast<std::streamsize>(written);
}

int StandardOutput::sync() {
  if (std::fflush(stdout) == 0) return 0;
  note_error();
  return -1;
}

int finish_output(const StandardOutput& output, int code, const Context& context) {
  context.out.flush();
  if (context.out || output.error() == EPIPE) return code;
  const Error error{ErrorCode::kFailed,
                    fmt::format("cannot write to standard output: {}",
                                std::generic_category().message(output.error())),
                    "what was printed is lost, or its end; what the command did is done. Make "
                    "room where the output goes, or write it elsewhere"};
  print_error(error, context);
  return code == 0 ? error_row(error.code).exit_code : code;
}

}  // namespace kscpush::cli

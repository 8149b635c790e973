// Standard output, as a stream that knows why it could not be written.
#pragma once

#include <streambuf>

#include "cli/context.hpp"

namespace kscpush::cli {

// A standard descriptor that is closed is opened on what can be neither written nor, but for its
// end, read: a file opened later must not become the standard output. First of all in main().
void occupy_standard_descriptors();

// Over stdio's stdout, which buffers: by lines on a terminal. Not flushed by itself.
class StandardOutput : public std::streambuf {
 public:
  // The first error number of a write; 0: there was none.
  [[nodiscard]] int error() const { return error_; }

 protected:
  int_type overflow(int_type letter) override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int sync() override;

 private:
  void note_error();
  int error_ = 0;
};

// The end of a run, whose exit code CODE would be: what is still to be written is, and when it or
// anything before could not be, that is an error; but not of a pipe that nobody reads any more, as
// before `head`. Returns the exit code.
[[nodiscard]] int finish_output(const StandardOutput& output, int code, const Context& context);

}  // namespace kscpush::cli

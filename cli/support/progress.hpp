// How far a long work is: one line on standard error, while that is a terminal.
#pragma once

#include <string>
#include <string_view>

#include "cli/context.hpp"

namespace kscpush::cli {

class Progress {
 public:
  // WHAT: "devices imported". TOTAL of 0: not known.
  Progress(std::string what, std::size_t total, const Context& context);
  ~Progress();  // wipes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void at(std::size_t done);
  void say(std::string_view text);  // instead of a number

 private:
  const std::string what_;
  const std::size_t total_;
  const Context& context_;
  bool shown_ = false;
};

}  // namespace kscpush::cli

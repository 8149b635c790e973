// Ctrl-C that ends what is being watched rather than the program.
#pragma once

#include <chrono>

namespace kscpush::cli {

// From its construction to its end SIGINT only sets a flag, which stays until the outermost ends.
// On one thread.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] bool pending() const;
  // Of any that there is, for what cannot be given one.
  [[nodiscard]] static bool any_pending();
  // Lets time pass; true, and at once, when it is pending.
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const;

 private:
  void (*before_)(int);
};

}  // namespace kscpush::cli

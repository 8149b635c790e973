// Any text as a profile activation condition: it parses or says where it does not, and what parses
// is evaluated in bounded time.
#include "policy/condition.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace kscpush::policy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto condition = Condition::parse(text);
  if (!condition) {
    // The column is of the text, or right behind it.
    const bool inside = condition.error().column >= 1 && condition.error().column <= size + 1;
    if (!inside || condition.error().message.empty()) std::abort();
    return 0;
  }
  const std::vector<std::string> tags{"laptop", "a"};
  const DeviceFacts device{"pc-7", "Managed devices/Berlin", "linux", "10.1.2.3", tags};
  // Evaluation is a pure function.
  if (condition->holds(device) != condition->holds(device)) std::abort();
  // "not" turns the outcome round, as long as the longer text is within the bounds.
  const auto negated = Condition::parse("not (" + std::string(text) + ")");
  if (negated && negated->holds(device) == condition->holds(device)) std::abort();
  return 0;
}

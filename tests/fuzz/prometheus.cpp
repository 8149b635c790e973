// Any bytes as metrics: what is read is written so that it reads as the same, also with a device's
// labels beside that of another.
#include "core/prometheus.hpp"

#include <cstdlib>

using namespace kscpush::prometheus;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto families = parse(text);
  if (!families) {
    if (families.error().message.empty()) std::abort();
    return 0;
  }
  const std::string written = render(*families);
  const auto again = parse(written);
  if (!again || render(*again) != written) std::abort();
  Collection all;
  all.add(*families, {{"device", "a"}});
  all.add(*families, {{"device", "b"}});
  const auto merged = parse(render(all.take()));
  // Of two there may be more than one text may have.
  if (!merged && merged.error().message.find("more than") == std::string::npos) std::abort();
  return 0;
}

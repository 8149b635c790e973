// Any bytes as what a device publishes, and as what an agent receives: decoded or refused, and what
// was decoded survives being encoded and decoded again.
#include <cstdlib>

#include "core/push.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace kscpush;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto answer = decode_answer(text)) {
    const auto again = decode_answer(encode(*answer));
    if (!again || again->id != answer->id || again->status != answer->status) std::abort();
  }
  if (const auto push = decode_push(text)) {
    const auto again = decode_push(encode(*push));
    if (!again || again->id != push->id || again->attempt != push->attempt) std::abort();
  }
  return 0;
}

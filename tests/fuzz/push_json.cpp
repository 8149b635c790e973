// Any bytes as what a device publishes, and as what an agent receives: decoded or refused, and what
// was decoded survives being encoded and decoded again.
#include <cstdlib>

#include "core/push.hpp"
#include "core/report.hpp"
#include "core/sync.hpp"

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
  if (const auto report = decode_report(text); report && report->local && !report->local->empty()) {
    // What the store keeps is JSON that reads back as the same settings.
    const auto again = decode_report("{\"local\":" + encode_settings(*report->local) + "}");
    if (!again || again->local != report->local) std::abort();
  }
  if (const auto request = decode_sync(text)) {
    const auto again = decode_sync(encode(*request));
    if (!again || again->revision != request->revision) std::abort();
  }
  if (const auto policy = decode_policy(text)) {
    // A text that is no UTF-8 is mended once: from then on it stays as it is.
    const auto once = decode_policy(encode(*policy));
    if (!once) std::abort();
    const auto again = decode_policy(encode(*once));
    if (!again || again->settings != once->settings || again->servers != once->servers) {
      std::abort();
    }
  }
  return 0;
}

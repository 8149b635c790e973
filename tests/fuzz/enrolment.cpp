// Any line as an enrolment request and as an answer, and its signing request as one to certify:
// what is taken reads back as the same, and no request is certified that is not good.
#include "core/enrolment.hpp"

#include <cstdlib>

#include "core/pki.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace kscpush;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto request = decode_enrolment_request(text)) {
    const auto again = decode_enrolment_request(encode(*request).str());
    const bool same = again && again->what == request->what && again->csr == request->csr &&
                      again->secret.str() == request->secret.str() &&
                      again->device == request->device;
    // Escaping may make it longer than a line may be.
    if (!same && encode(*request).str().size() <= kLongestEnrolmentLine) std::abort();
    if (const auto key = pki::check_request(request->csr); key && key->size() != 64) std::abort();
  }
  if (const auto answer = decode_enrolment_answer(text)) {
    const auto again = decode_enrolment_answer(encode(*answer));
    if (again && again->servers != answer->servers) std::abort();
  }
  if (const auto token = parse_token(text); token && to_text(*token).str() != text) std::abort();
  if (const auto key = pki::check_request(text); key && key->size() != 64) std::abort();
  return 0;
}

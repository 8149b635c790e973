// What a device does when nobody, or a server with too much to do, answers. The whole of it is
// acceptance/test_enrolment.py's.
#include "agent/enrolment.hpp"

#include <doctest/doctest.h>

#include "core/pki.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::agent {

TEST_CASE("regression: enrol: who cannot be reached is asked again, after a pause each time") {
  using std::chrono::milliseconds;
  std::vector<milliseconds> pauses;
  const EnrolmentToken token{pki::random_token(), std::string(64, '0')};
  const auto enrolled = enroll({"127.0.0.1", test::free_port()}, token, std::nullopt,
                               [&](milliseconds pause) { pauses.push_back(pause); });
  REQUIRE_FALSE(enrolled.has_value());
  CHECK(enrolled.error().code == ErrorCode::kUnreachable);
  CHECK(pauses.size() == 2);
  for (const milliseconds pause : pauses) {
    CHECK(pause >= std::chrono::seconds(1));
    CHECK(pause <= std::chrono::seconds(2));
  }
}

}  // namespace kscpush::agent

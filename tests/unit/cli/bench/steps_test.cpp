#include "cli/bench/steps.hpp"

#include <doctest/doctest.h>

namespace kscpush::cli::bench {
namespace {

std::string refused(const std::string& word) {
  const auto steps = parse_steps({word});
  REQUIRE_FALSE(steps.has_value());
  CHECK(steps.error().code == ErrorCode::kUsage);
  return steps.error().message;
}

TEST_CASE("steps: words with and without a number, in their order") {
  const auto steps = parse_steps({"hold", "hold=0.5", "sweep=3", "storm", "outage", "wait"});
  REQUIRE(steps.has_value());
  REQUIRE(steps->size() == 6);
  CHECK((*steps)[0].kind == Step::Kind::kHold);
  CHECK((*steps)[0].time == std::chrono::seconds(5));
  CHECK((*steps)[1].time == std::chrono::milliseconds(500));
  CHECK((*steps)[2].kind == Step::Kind::kSweep);
  CHECK((*steps)[2].count == 3);
  CHECK((*steps)[3].count == 1);
  CHECK(to_string((*steps)[4].kind) == "outage");
  CHECK(to_string((*steps)[5].kind) == "wait");
}

TEST_CASE("steps: what is none is refused with what it may be") {
  CHECK(refused("swep") == "'swep' is no step; did you mean 'sweep'?");
  CHECK(refused("") == "'' is no step");
  CHECK(refused("hold=") == "'hold=' is no step: hold needs a number above 0");
  CHECK(refused("hold=-1") == "'hold=-1' is no step: hold needs a number above 0");
  CHECK(refused("hold=nan") == "'hold=nan' is no step: hold needs a number above 0");
  CHECK(refused("hold=1e300") == "'hold=1e300' is no step: hold needs a number above 0");
  CHECK(refused("sweep=0.5") == "'sweep=0.5' is no step: once at least");
  CHECK(refused("sweep=2x") == "'sweep=2x' is no step: sweep needs a number above 0");
  CHECK(refused("wait=1") == "'wait=1' is no step: 'wait' takes no number");
}

}  // namespace
}  // namespace kscpush::cli::bench

// When a certificate is renewed; that and how it happens is acceptance/test_enrolment.py's.
#include "agent/renewal.hpp"

#include <doctest/doctest.h>

#include "core/file.hpp"
#include "core/pki.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using Action = RenewalPlan::Action;

constexpr WallTime kBegin{hours(1000)};
constexpr WallTime kEnd = kBegin + hours(60);
// Of a certificate that lives for years: its end bounds no pause.
constexpr WallTime kFarEnd = kBegin + hours(20'000);

}  // namespace

TEST_CASE("a certificate is renewed after two thirds of its life and up to a twentieth of it") {
  CHECK(renewal_time(kBegin, kEnd, 0) == kBegin + hours(40));
  CHECK(renewal_time(kBegin, kEnd, 1) == kBegin + hours(43));
  CHECK(renewal_time(kBegin, kEnd, 0.5) == kBegin + minutes(41 * 60 + 30));
}

TEST_CASE("renewal: it waits in short looks, renews in time, and says when it is too late") {
  const RenewalPlan plan(0, 1);
  const auto at = [&](Duration age) {
    return plan.at(kBegin + std::chrono::floor<milliseconds>(age), kBegin, kEnd);
  };
  CHECK(at(hours(1)).action == Action::kWait);
  CHECK(at(hours(1)).look_again == kLookAgain);
  CHECK(at(hours(40) - minutes(1)).look_again == minutes(1));
  CHECK(at(hours(40)).action == Action::kRenew);
  CHECK(at(hours(60) - milliseconds(1)).action == Action::kRenew);
  CHECK(at(hours(60)).action == Action::kTooLate);
  CHECK(at(hours(60)).look_again == kLookAgain);
  // A clock that is set back.
  CHECK(at(-hours(5)).look_again == kLookAgain);
}

TEST_CASE("renewal: the pauses grow to hours, each within its bound, and begin anew") {
  constexpr int kPlans = 200;
  constexpr int kFailures = 12;
  const auto [first, most] = RenewalPlan::kPauses;
  std::vector<milliseconds> longest(kFailures);
  for (std::uint64_t seed = 0; seed < kPlans; ++seed) {
    RenewalPlan plan(0, seed);
    auto ceiling = first;
    for (milliseconds& longest_so_far : longest) {
      const auto pause = plan.failed(kBegin, kFarEnd);
      CHECK(pause >= std::chrono::seconds(1));
      CHECK(pause <= ceiling);
      longest_so_far = std::max(longest_so_far, pause);
      ceiling = std::min(most, 2 * ceiling);
    }
    plan.succeeded();
    CHECK(plan.failed(kBegin, kFarEnd) <= first);
  }
  CHECK(longest.front() > first / 2);
  CHECK(longest.back() > most / 2);
}

TEST_CASE("regression: no pause of a renewal lasts beyond the certificate's end") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    RenewalPlan plan(0, seed);
    WallTime now = kEnd - hours(3);
    for (int failures = 0; failures < 20; ++failures) {
      const auto pause = plan.failed(now, kEnd);
      if (kEnd - now > std::chrono::seconds(2)) CHECK(now + pause < kEnd);
      now += pause;
    }
  }
  RenewalPlan plan(0, 1);
  CHECK(plan.failed(kEnd, kEnd) == std::chrono::seconds(1));
}

TEST_CASE(
    "regression: renewal: a device that cannot keep a new key does not ask for a certificate") {
  const test::TempDir folder;
  const SystemClock clock;
  const auto files = CredentialFiles::in(folder.path(), *DeviceId::parse("pc-1"));
  const auto authority = pki::create_authority("Site", clock.wall(), std::chrono::days(1)).value();
  const auto pair =
      pki::issue_device(authority, "pc-1", clock.wall(), std::chrono::days(1)).value();
  REQUIRE(replace(files, pair.certificate, pair.key));
  REQUIRE(write_new_file(files.authority, authority.certificate, 0644));
  const std::filesystem::path in_the_way = files.key.string() + ".new/full";
  std::filesystem::create_directories(in_the_way);
  // Nobody to ask is an error of its own, which comes later.
  CHECK(renew({}, files, {}).error().code == ErrorCode::kConflict);
  std::filesystem::remove_all(in_the_way.parent_path());
  CHECK(renew({}, files, {}).error().code == ErrorCode::kUsage);
  CHECK_FALSE(std::filesystem::exists(in_the_way.parent_path()));
}

}  // namespace kscpush::agent

// What the agent does of the connection schedule.
#include "agent/sync/schedule.hpp"

#include <cstdlib>
#include <ctime>

#include <doctest/doctest.h>

namespace kscpush::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

SyncSchedule with(std::vector<policy::Period> periods) {
  return {.stay = false, .interval = minutes(15), .periods = std::move(periods)};
}

Settings settings(const std::string& connect, const std::string& intervals) {
  return {{std::string(policy::kConnect), connect},
          {std::string(policy::kIntervals), intervals},
          {std::string(policy::kForceViaDp), "false"}};
}

// The time zone of the process, for one test.
class Zone {
 public:
  explicit Zone(const char* name) { set(name); }
  ~Zone() {
    if (before_) {
      set(before_->c_str());
    } else {
      ::unsetenv("TZ");
      ::tzset();
    }
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  static void set(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }

 private:
  static std::optional<std::string> present() {
    const char* const name = std::getenv("TZ");
    return name == nullptr ? std::nullopt : std::optional<std::string>(name);
  }
  const std::optional<std::string> before_ = present();
};

constexpr milliseconds kNow{0};

}  // namespace

TEST_CASE("schedule: periods count at given intervals only") {
  const std::string list = R"(["22:00-06:00","12:00-12:30"])";
  const auto given = read_schedule(settings("at_given_intervals", list));
  REQUIRE(given.has_value());
  REQUIRE(given->periods.size() == 2);
  CHECK(given->periods[0].from == hours(22));
  CHECK(given->periods[0].to == hours(6));
  CHECK(given->periods[1].length() == minutes(30));
  CHECK(read_schedule(settings("when_necessary", list))->periods.empty());
  CHECK(read_schedule(settings("at_given_intervals", "[]"))->periods.empty());
  const auto wrong = read_schedule(settings("at_given_intervals", R"(["25:00-26:00"])"));
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().message.find("connectivity.schedule.intervals") != std::string::npos);
}

TEST_CASE("schedule: within a period a device may come, outside it waits for the next") {
  const SyncSchedule night = with({{hours(22), hours(6)}, {hours(12), hours(13)}});
  CHECK(closed_for(night, hours(23), kNow) == kNow);
  CHECK(closed_for(night, hours(0), kNow) == kNow);
  CHECK(closed_for(night, hours(6) - milliseconds(1), kNow) == kNow);
  CHECK(closed_for(night, hours(6), kNow) == hours(6));
  CHECK(closed_for(night, hours(12) + minutes(59), kNow) == kNow);
  CHECK(closed_for(night, hours(13), kNow) == hours(9));
  CHECK(closed_for(night, hours(22) - milliseconds(1), kNow) == milliseconds(1));
}

TEST_CASE("schedule: those who waited come one after the other, and all within the period") {
  const SyncSchedule night = with({{hours(22), hours(6)}});
  CHECK(closed_for(night, hours(21), minutes(10)) == hours(1) + minutes(10));
  CHECK(closed_for(night, hours(22), minutes(10)) == minutes(10));
  CHECK(closed_for(night, hours(22) + minutes(10), minutes(10)) == kNow);
  const SyncSchedule short_one = with({{hours(12), hours(12) + minutes(10)}});
  CHECK(closed_for(short_one, hours(12), hours(24)) == minutes(5));
  CHECK(closed_for(short_one, hours(12) + minutes(5), hours(24)) == kNow);
  CHECK(closed_for(short_one, hours(12) + minutes(10), hours(24)) == hours(24) - minutes(5));
}

TEST_CASE("schedule: who stays, who has no period, and who has the whole day is never kept away") {
  SyncSchedule stays = with({{hours(22), hours(6)}});
  stays.stay = true;
  CHECK(closed_for(stays, hours(12), kNow) == kNow);
  CHECK(closed_for(with({}), hours(12), minutes(10)) == kNow);
  CHECK(closed_for(with({{hours(0), hours(24)}}), hours(0), minutes(10)) == kNow);
  CHECK(closed_for(with({{hours(24), hours(6)}}), hours(3), kNow) == kNow);
}

TEST_CASE("schedule: the time of day is the device's own, also in summer") {
  const Zone berlin("CET-1CEST,M3.5.0,M10.5.0/3");
  constexpr WallTime winter{std::chrono::seconds(1'772'366'400)};  // 2026-03-01T12:00:00Z
  CHECK(local_time_of_day(winter) == hours(13));
  CHECK(local_time_of_day(winter + std::chrono::days(60) + milliseconds(7)) ==
        hours(14) + milliseconds(7));
}

}  // namespace kscpush::agent

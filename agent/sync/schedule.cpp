#include "agent/sync/schedule.hpp"

#include <algorithm>
#include <ctime>

#include "core/numbers.hpp"

namespace kscpush::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDay = std::chrono::days(1);
constexpr milliseconds kTwoDays = 2 * kDay;

// Lists were checked where they were written: on a device there is no way to change one.
bool is_scalar(policy::Kind kind) {
  return kind != policy::Kind::kTexts && kind != policy::Kind::kRecords;
}

Result<std::string> value_of(const Settings& settings, const policy::SettingRow& row) {
  const auto found = settings.find(std::string(row.path));
  if (found == settings.end()) return std::string(row.default_value);
  if (!is_scalar(row.type.kind)) return found->second;
  return policy::parse_value(row, found->second);
}

// Without a period there is no restriction: a device must not be cut off by what was forgotten.
Result<std::vector<policy::Period>> read_periods(const std::string& value) {
  std::vector<policy::Period> periods;
  for (const std::string& item : policy::list_items(value)) {
    const auto period = policy::parse_period(item);
    if (!period) return fail(ErrorCode::kInvalidConfig, "'{}' is no period", item.substr(0, 40));
    periods.push_back(*period);
  }
  return periods;
}

}  // namespace

Result<SyncSchedule> read_schedule(const Settings& settings) {
  SyncSchedule schedule;
  bool any_time = true;
  for (const policy::SettingRow& row : policy::settings()) {
    const auto value = value_of(settings, row);
    if (!value) return fail(within(row.path, value.error()));
    if (row.path == policy::kForceViaDp) schedule.stay = *value == "true";
    if (row.path == policy::kSynchronizationInterval) {
      schedule.interval = std::chrono::minutes(to_number<int>(*value).value_or(0));
    }
    if (row.path == policy::kConnect) any_time = *value != policy::kAtGivenIntervals;
    if (row.path == policy::kIntervals) {
      auto periods = read_periods(*value);
      if (!periods) return fail(within(row.path, periods.error()));
      schedule.periods = std::move(*periods);
    }
  }
  if (any_time) schedule.periods.clear();
  return schedule;
}

milliseconds closed_for(const SyncSchedule& schedule, milliseconds time_of_day,
                        milliseconds spread) {
  if (schedule.stay || schedule.periods.empty()) return milliseconds(0);
  milliseconds soonest = milliseconds::max();
  for (const policy::Period& period : schedule.periods) {
    const milliseconds length = period.length();
    if (length >= kDay) return milliseconds(0);
    const milliseconds opens = period.from + std::min<milliseconds>(spread, length / 2);
    const milliseconds since = (time_of_day - opens + kTwoDays) % kDay;
    const milliseconds open = period.from + length - opens;
    soonest = std::min(soonest, since < open ? milliseconds(0) : kDay - since);
  }
  return soonest;
}

milliseconds local_time_of_day(WallTime now) {
  const std::time_t seconds = unix_seconds(now);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return std::chrono::hours(local.tm_hour) + std::chrono::minutes(local.tm_min) +
         std::chrono::seconds(local.tm_sec) + now.time_since_epoch() % std::chrono::seconds(1);
}

}  // namespace kscpush::agent
